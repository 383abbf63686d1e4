"""Why something is not issued: each error says its problem type and the HTTP status that answers it.

    IssuanceError
    ├── IntakeError                    what a node sent is not accepted
    │   ├── UnknownNodeError           404  the node is not registered
    │   ├── NodeRevokedError           403  the node was registered and is no longer allowed
    │   ├── BadSignatureError          401  the signature is not the registered key's
    │   ├── StaleTimestampError        422  the record's end lies more than 7 days back
    │   ├── FutureTimestampError       422  the record's end lies more than 60 s ahead
    │   ├── ImplausibleEnergyError     422  more energy than the node's accelerators can draw
    │   ├── ImplausibleClaimError      422  what was measured cannot be claimed: it contradicts itself or hardware
    │   ├── WindowBodyError            400  the body of a window cannot be read
    │   └── WindowTooLargeError        413  it inflates to more than is read
    ├── EnrolmentError                 422  a node cannot be registered as asked
    │   ├── InvitationError            401  the invite token is unknown, used or expired
    │   ├── PossessionError            401  the proof of possession is not the key's
    │   └── UnknownRegionError         422  no carbon intensity is known for the grid region
    ├── CredentialRefusedError         422  a credential that this issuer does not make
    ├── LowCoverageError               422  too little of a window was measured for a claim of one inference
    ├── RecordsOfOthersError           403  a window has records that are not the tenant's own
    ├── OverloadedError                503  too much is in work at once; says when to come back
    └── OperationError                 500  ours to mend; the detail names no secret
        ├── LintError                  500  our own verifier refuses what we were about to sign
        ├── KeyMismatchError           503  a key does not make the signatures of its published JWK
        ├── KeyLimitError              500  the DID document has no room for the keys
        ├── MisdatedError              503  a reservation made while the clock ran ahead; send the record again
        ├── SignatureFaultError        500  a signature just made does not verify
        ├── PreparationSpentError      500  a prepared credential was redeemed twice
        └── NoSigningKeyError          503  the issuer has no active key

What the store refuses (a conflict, something not found) stands in issuer.store.errors, and what cannot be
read in schemas.errors; all are GreenErrors, so that one function maps every one of them.
"""

from __future__ import annotations

from schemas.errors import GreenError


class IssuanceError(GreenError):
    """Root of the errors of issuing."""

    name = "ISSUANCE_ERROR"
    title = "The request cannot be served"
    status = 422


class IntakeError(IssuanceError):
    """What a node sent is not accepted."""

    name = "INTAKE_ERROR"
    title = "The record is not accepted"


class UnknownNodeError(IntakeError):
    """No node of that id is registered."""

    name = "UNKNOWN_NODE"
    title = "The node is not registered"
    status = 404


class NodeRevokedError(IntakeError):
    """The node was registered, and an administrator has revoked it."""

    name = "NODE_REVOKED"
    title = "The node is revoked"
    status = 403


class BadSignatureError(IntakeError):
    """The record's signature does not verify under the node's registered key."""

    name = "SIGNATURE_INVALID"
    title = "The record's signature is not the node's"
    status = 401


class StaleTimestampError(IntakeError):
    """The record's end lies further back than new records are taken."""

    name = "TOO_OLD"
    title = "The record is too old"


class FutureTimestampError(IntakeError):
    """The record's end lies further ahead than two clocks may differ."""

    name = "CLOCK_SKEW"
    title = "The record lies in the future"


class ImplausibleEnergyError(IntakeError):
    """The energy or the period is more than the registered hardware can give."""

    name = "CLAIM_IMPLAUSIBLE"
    title = "The record is not plausible"


class ImplausibleClaimError(IntakeError):
    """What a node signed would make a credential that every verifier refuses."""

    name = "CLAIM_IMPLAUSIBLE"
    title = "What was measured is not plausible"


class WindowBodyError(IntakeError):
    """The body is not the lines of a window, or not in the coding that it says."""

    name = "PARSING_ERROR"
    title = "The window's body cannot be read"
    status = 400


class WindowTooLargeError(IntakeError):
    """The body is small as it came, and too large once it is inflated."""

    name = "RESOURCE_LIMIT"
    title = "The window is too large"
    status = 413


class EnrolmentError(IssuanceError):
    """A node cannot be registered as it was asked."""

    name = "ENROLMENT_REFUSED"
    title = "The node cannot be enrolled"


class InvitationError(EnrolmentError):
    """The invite token is unknown, used or expired: the three are told apart to nobody."""

    name = "INVITATION_INVALID"
    title = "The invite token is not valid"
    status = 401


class PossessionError(EnrolmentError):
    """The enrolment request is not signed by the key that it asks to enrol."""

    name = "POSSESSION_UNPROVEN"
    title = "The key's possession is not proven"
    status = 401


class UnknownRegionError(EnrolmentError):
    """No carbon intensity is bundled for the grid region. Nothing is put in its place silently."""

    name = "UNKNOWN_REGION"
    title = "The grid region is not known"


class CredentialRefusedError(IssuanceError):
    """The credential asked for is not one that this issuer makes on request."""

    name = "CREDENTIAL_REFUSED"
    title = "The credential is not issued"


class LowCoverageError(IssuanceError):
    """Too little of a window's time was measured for a credential of one of its inferences (decision 0013)."""

    name = "LOW_COVERAGE"
    title = "Too little was measured"


class RecordsOfOthersError(IssuanceError):
    """A window has records that are not counted for the tenant who asks, and would be open to it."""

    name = "RECORDS_OF_OTHERS"
    title = "The window has records of other tenants"
    status = 403


class OverloadedError(IssuanceError):
    """Too much is in work at once, mostly of the one who asks. ``retry_after_s``: whole seconds until the next try."""

    name = "OVERLOADED"
    title = "The issuer is overloaded"
    status = 503

    def __init__(self, detail: str, *, retry_after_s: int = 2) -> None:
        """Keep how long to wait, in seconds."""
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class OperationError(IssuanceError):
    """The fault is the issuer's own."""

    name = "INTERNAL_ERROR"
    title = "The issuer cannot issue this"
    status = 500


class LintError(OperationError):
    """Our own verifier refuses the document that was about to be signed, so it was not signed."""

    name = "LINT_FAILED"
    title = "The credential failed the issuer's own check"


class KeyMismatchError(OperationError):
    """The key behind a URI does not make signatures that its published JWK verifies."""

    name = "KEY_MISMATCH"
    title = "A signing key is not the published one"
    status = 503


class KeyLimitError(OperationError):
    """The issuer's keys do not fit into a DID document that verifiers read."""

    name = "KEY_LIMIT"
    title = "The DID document has no room for the keys"


class MisdatedError(OperationError):
    """The reservation was made while the clock ran far ahead; it was rejected and has to be made anew."""

    name = "MISDATED"
    title = "The reservation lies in the future"
    status = 503


class SignatureFaultError(OperationError):
    """A signature that was just made does not verify, so it was thrown away; the reservation stands."""

    name = "SIGNATURE_FAULT"
    title = "The signature just made does not verify"


class PreparationSpentError(OperationError):
    """A prepared credential is signed once; somebody tried to redeem it again."""

    name = "PREPARATION_SPENT"
    title = "The prepared credential was already redeemed"


class NoSigningKeyError(OperationError):
    """The issuer has no active signing key."""

    name = "NO_SIGNING_KEY"
    title = "The issuer has no active signing key"
    status = 503
