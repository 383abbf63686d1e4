"""The errors of verification: one class for each problem that the verifier itself finds.

    VerificationError
    ├── ResourceLimitError              RESOURCE_LIMIT (also schemas.errors.ResourceLimitError)
    ├── OverloadedError                 OVERLOADED (503: nothing is said about the document)
    ├── MalformedTermError              MALFORMED_VALUE_ERROR (also schemas.errors.MalformedValueError)
    ├── UntrustedContextError           UNTRUSTED_CONTEXT
    ├── UntrustedSchemaError            UNTRUSTED_SCHEMA
    ├── UnsignedClaimError              UNSIGNED_CLAIM
    ├── TypeMismatchError               TYPE_MISMATCH
    ├── KeyUseError
    │   ├── InvalidVerificationMethodError  INVALID_VERIFICATION_METHOD
    │   ├── InvalidRelationshipError        INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD
    │   ├── KeyExpiredError                 KEY_EXPIRED
    │   └── KeyRevokedError                 KEY_REVOKED
    ├── ProofError
    │   ├── NoProofError                    NO_PROOF
    │   ├── CryptographicSecurityError      CRYPTOGRAPHIC_SECURITY_ERROR
    │   ├── ProofVerificationError          PROOF_VERIFICATION_ERROR
    │   └── ProofTransformationError        PROOF_TRANSFORMATION_ERROR
    ├── ValidityError
    │   ├── ExpiredError                    EXPIRED
    │   └── NotYetValidError                NOT_YET_VALID
    ├── StatusError
    │   ├── StatusRetrievalError            STATUS_RETRIEVAL_ERROR
    │   ├── StatusVerificationError         STATUS_VERIFICATION_ERROR
    │   ├── StatusRequiredError             STATUS_REQUIRED
    │   ├── RevokedError                    REVOKED
    │   └── SuspendedError                  SUSPENDED
    ├── ClaimError
    │   ├── ClaimInconsistentError          CLAIM_INCONSISTENT
    │   ├── ClaimImplausibleError           CLAIM_IMPLAUSIBLE
    │   └── EvidenceMismatchError           EVIDENCE_MISMATCH
    ├── PolicyError
    │   ├── UntrustedIssuerError            UNTRUSTED_ISSUER
    │   ├── SimulatedNotAllowedError        SIMULATED_NOT_ALLOWED
    │   └── InsufficientAssuranceError      INSUFFICIENT_ASSURANCE
    ├── PresentationError
    │   ├── HolderBindingError              HOLDER_BINDING
    │   ├── InvalidChallengeError           INVALID_CHALLENGE_ERROR
    │   ├── InvalidDomainError              INVALID_DOMAIN_ERROR
    │   ├── ReplayError                     REPLAY
    │   └── DuplicateWindowError            DUPLICATE_WINDOW
    ├── FetchError
    │   ├── FetchBlockedError               FETCH_BLOCKED
    │   └── FetchFailedError                FETCH_FAILED
    │       └── HostUnreachableError            FETCH_FAILED too: no connection, so no other URL of the host either
    └── UsageError                      USAGE_ERROR (exit code 64: policy, settings, folders, arguments)

Parsing and shape are schemas.errors', identifiers and keys did.errors'; audit_errors and attestation.errors go on. All are GreenErrors.
"""

from __future__ import annotations

import schemas.errors


class VerificationError(schemas.errors.GreenError):
    """Root of what the verifier itself finds wrong."""

    name = "VERIFICATION_ERROR"
    title = "The document does not verify"


class ResourceLimitError(schemas.errors.ResourceLimitError, VerificationError):
    """The document costs more to process than is allowed."""


class OverloadedError(VerificationError):
    """Too many documents are in work; nothing is said about this one."""

    name = "OVERLOADED"
    title = "The verifier is overloaded"
    status = 503


class MalformedTermError(schemas.errors.MalformedValueError, VerificationError):
    """A JSON-LD identifier, type, datatype or language tag is not well-formed."""


class UntrustedContextError(VerificationError):
    """The contexts are not those of the profile, or not pinned."""

    name = "UNTRUSTED_CONTEXT"
    title = "A JSON-LD context is not trusted"


class UntrustedSchemaError(VerificationError):
    """``credentialSchema`` names a schema that is not bundled, or with another digest."""

    name = "UNTRUSTED_SCHEMA"
    title = "The credential schema is not trusted"


class UnsignedClaimError(VerificationError):
    """A member stands in the document that the signature does not cover."""

    name = "UNSIGNED_CLAIM"
    title = "A claim is not covered by the signature"


class TypeMismatchError(VerificationError):
    """A document or proof is of another type than the one required at its place."""

    name = "TYPE_MISMATCH"
    title = "The type is not the one required here"


class KeyUseError(VerificationError):
    """Root of what is wrong with the key of a proof."""


class InvalidVerificationMethodError(KeyUseError):
    """The verification method is not in the controller's document, or is not well-formed."""

    name = "INVALID_VERIFICATION_METHOD"
    title = "The verification method is not valid"


class InvalidRelationshipError(KeyUseError):
    """The verification method is not authorized for the proof purpose."""

    name = "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD"
    title = "The key is not authorized for this purpose"


class KeyExpiredError(KeyUseError):
    """The key had expired when the proof was made."""

    name = "KEY_EXPIRED"
    title = "The key has expired"


class KeyRevokedError(KeyUseError):
    """The key is revoked; its own ``created`` proves nothing."""

    name = "KEY_REVOKED"
    title = "The key is revoked"


class ProofError(VerificationError):
    """Root of what is wrong with a proof."""


class NoProofError(ProofError):
    """The document has no proof."""

    name = "NO_PROOF"
    title = "The document is not signed"


class CryptographicSecurityError(ProofError):
    """The algorithm, key or header is outside what is safe."""

    name = "CRYPTOGRAPHIC_SECURITY_ERROR"
    title = "The cryptography is not acceptable"


class ProofVerificationError(ProofError):
    """The proof is malformed, or its signature does not fit the document."""

    name = "PROOF_VERIFICATION_ERROR"
    title = "The proof does not verify"


class ProofTransformationError(ProofError):
    """The document or proof options could not be canonicalized."""

    name = "PROOF_TRANSFORMATION_ERROR"
    title = "The document cannot be canonicalized"


class ValidityError(VerificationError):
    """Root of what is wrong with the validity period."""


class ExpiredError(ValidityError):
    """The validity period is over."""

    name = "EXPIRED"
    title = "The credential has expired"


class NotYetValidError(ValidityError):
    """The validity period has not begun."""

    name = "NOT_YET_VALID"
    title = "The credential is not yet valid"


class StatusError(VerificationError):
    """Root of what the status check finds."""


class StatusRetrievalError(StatusError):
    """The status list could not be had, which leaves the verdict inconclusive."""

    name = "STATUS_RETRIEVAL_ERROR"
    title = "The status list cannot be retrieved"


class StatusVerificationError(StatusError):
    """The status list credential does not verify, or is not the one named."""

    name = "STATUS_VERIFICATION_ERROR"
    title = "The status list does not verify"


class StatusRequiredError(StatusError):
    """The policy requires a status entry and there is none."""

    name = "STATUS_REQUIRED"
    title = "The credential has no status entry"


class RevokedError(StatusError):
    """The credential is revoked."""

    name = "REVOKED"
    title = "The credential is revoked"


class SuspendedError(StatusError):
    """The credential is suspended."""

    name = "SUSPENDED"
    title = "The credential is suspended"


class ClaimError(VerificationError):
    """Root of what is wrong with the claims."""


class ClaimInconsistentError(ClaimError):
    """A formula of the format does not come out."""

    name = "CLAIM_INCONSISTENT"
    title = "The claims contradict each other"


class ClaimImplausibleError(ClaimError):
    """A figure lies outside what is physically plausible."""

    name = "CLAIM_IMPLAUSIBLE"
    title = "A claim is implausible"


class EvidenceMismatchError(ClaimError):
    """The evidence does not support the claims, or is not the evidence that was committed to."""

    name = "EVIDENCE_MISMATCH"
    title = "The evidence does not fit the claims"


class PolicyError(VerificationError):
    """Root of what the verifier's own policy refuses."""


class UntrustedIssuerError(PolicyError):
    """The issuer is not on the trust list."""

    name = "UNTRUSTED_ISSUER"
    title = "The issuer is not trusted"


class SimulatedNotAllowedError(PolicyError):
    """The figures are simulated, and the policy does not allow that."""

    name = "SIMULATED_NOT_ALLOWED"
    title = "The figures are simulated"


class InsufficientAssuranceError(PolicyError):
    """The assurance is below the policy's minimum."""

    name = "INSUFFICIENT_ASSURANCE"
    title = "The assurance is too low for the policy"


class PresentationError(VerificationError):
    """Root of what is wrong with a presentation."""


class HolderBindingError(PresentationError):
    """The presenter has not proved to be the holder."""

    name = "HOLDER_BINDING"
    title = "The presenter is not the holder"


class InvalidChallengeError(PresentationError):
    """The challenge is missing or is not the expected one."""

    name = "INVALID_CHALLENGE_ERROR"
    title = "The challenge is not the expected one"


class InvalidDomainError(PresentationError):
    """The domain is missing or is not the expected one."""

    name = "INVALID_DOMAIN_ERROR"
    title = "The domain is not the expected one"


class ReplayError(PresentationError):
    """The challenge was used before."""

    name = "REPLAY"
    title = "The challenge was used before"


class DuplicateWindowError(PresentationError):
    """Two credentials of a presentation claim the same energy."""

    name = "DUPLICATE_WINDOW"
    title = "The same energy is claimed twice"


class FetchError(VerificationError):
    """Root of what goes wrong in fetching evidence."""

    name = "FETCH_ERROR"
    title = "The evidence could not be fetched"
    status = 502


class FetchBlockedError(FetchError):
    """The egress rules forbid the address."""

    name = "FETCH_BLOCKED"
    title = "The address may not be fetched"
    status = 400


class FetchFailedError(FetchError):
    """The host did not answer, or not with what was asked for."""

    name = "FETCH_FAILED"
    title = "The evidence could not be fetched"


class HostUnreachableError(FetchFailedError):
    """No connection to the host came about, which says as much of its other URLs."""


class UsageError(VerificationError):
    """What the caller asked for cannot be done: a policy, settings, a folder or an argument is wrong."""

    name = "USAGE_ERROR"
    title = "The request cannot be carried out"
