"""JsonWebSignature2020: a detached JWS over the canonical forms of proof options and document.

W3C CCG "JSON Web Signature 2020" over Data Integrity 1.0 of its time: the signing input is
``BASE64URL(header) . SHA-256(canonical proof options) || SHA-256(canonical document)``, the payload not
encoded (RFC 7797). Key use, purpose and time are the caller's to judge.
"""

from __future__ import annotations

import hashlib
from typing import Final

from did import jws
from did.algorithms import Algorithm
from did.errors import SignatureInvalidError
from did.keys import PublicKey
from did.signers import Signer
from schemas.strict_json import JsonObject
from verifier.errors import (
    CryptographicSecurityError,
    ProofTransformationError,
    ProofVerificationError,
    UntrustedContextError,
)
from verifier.rdf.canonicalize import Canonicalizer

TYPE: Final = "JsonWebSignature2020"
ALGORITHMS: Final[frozenset[Algorithm]] = frozenset({"ES256", "ES384", "EdDSA", "PS256"})
"""Those of the suite's table that we use: RS256 is not in it, ES256K is in no library of ours."""


def hash_data(unsecured: JsonObject, options: JsonObject, canonicalizer: Canonicalizer) -> bytes:
    """Return SHA-256 of the canonical proof options followed by SHA-256 of the canonical document (64 bytes).

    ``options`` are the proof's members without ``jws``; they get the contexts of the document. Raises
    what the canonicalizer raises, UntrustedContextError where the options bring a context of their own.
    """
    if "@context" in options:
        raise UntrustedContextError("proof: a proof has the contexts of its document, never its own")
    if "@context" not in unsecured:
        raise UntrustedContextError("@context: a document without contexts says nothing that could be signed")
    canonical_options = canonicalizer.canonicalize({"@context": unsecured["@context"], **options})
    return _sha_256(canonical_options) + _sha_256(canonicalizer.canonicalize(unsecured))


def verify_proof(
    secured: JsonObject,
    proof: JsonObject,
    key: PublicKey,
    canonicalizer: Canonicalizer,
    *,
    accept_kid: bool = False,
) -> None:
    """Return if ``proof`` verifies over ``secured`` (without its ``proof`` member) with ``key``.

    The header's bytes are honoured as received, and hold exactly alg, ``b64`` false and ``crit`` ``["b64"]``.
    ``accept_kid`` tolerates one more member, where it repeats the verification method: some foreign signers
    write it; we never do. Raises ProofVerificationError, CryptographicSecurityError, the JWS errors of
    did.errors for a malformed or unsafe JWS, and what the canonicalizer raises.
    """
    if proof.get("type") != TYPE:
        raise ProofVerificationError(f"proof.type: {TYPE} is required")
    text = proof.get("jws")
    if not isinstance(text, str):
        raise ProofVerificationError("proof.jws: a detached JWS is required")
    signature = jws.parse_detached(text, extra_members=("kid",) if accept_kid else ())
    _check_algorithm(signature.algorithm)
    if "kid" in signature.header and signature.header["kid"] != proof.get("verificationMethod"):
        raise ProofVerificationError("proof.jws: the header names another key than the proof's verificationMethod")
    unsecured = {name: member for name, member in secured.items() if name != "proof"}
    options = {name: member for name, member in proof.items() if name != "jws"}
    try:
        signature.verify(hash_data(unsecured, options, canonicalizer), key)
    except SignatureInvalidError as error:
        raise ProofVerificationError(
            "proof.jws: the signature does not fit; the document, its proof or the key is not the one that was signed with"
        ) from error


def create_proof(
    unsecured: JsonObject,
    *,
    signer: Signer,
    algorithm: Algorithm,
    verification_method: str,
    created: str,
    purpose: str,
    challenge: str | None = None,
    domain: str | None = None,
    canonicalizer: Canonicalizer,
) -> JsonObject:
    """Return the proof of a document, to become its ``proof`` member.

    ``created`` as times.render_seconds writes it. Raises ProofTransformationError for a document that has
    a proof already, CryptographicSecurityError for an algorithm outside the suite, SignerError, and what
    the canonicalizer raises: what would be lost is not signed.
    """
    if "proof" in unsecured:
        raise ProofTransformationError("the document has a proof already")
    _check_algorithm(algorithm)
    options: JsonObject = {
        "type": TYPE,
        "created": created,
        "verificationMethod": verification_method,
        "proofPurpose": purpose,
    }
    if challenge is not None:
        options["challenge"] = challenge
    if domain is not None:
        options["domain"] = domain
    signature = jws.sign_detached(hash_data(unsecured, options, canonicalizer), signer, algorithm)
    return {**options, "jws": signature}


def _check_algorithm(algorithm: Algorithm) -> None:
    if algorithm not in ALGORITHMS:
        raise CryptographicSecurityError(f"alg {algorithm} is not one of {TYPE}: {', '.join(sorted(ALGORITHMS))}")


def _sha_256(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()
