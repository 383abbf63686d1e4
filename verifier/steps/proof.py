"""The step on the signature itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from did.documents import RELATIONSHIPS
from did.keys import PublicKey
from schemas.strict_json import Json, JsonObject
from verifier.case import Case
from verifier.document import proofs_of
from verifier.errors import InvalidRelationshipError, NoProofError, ProofVerificationError
from verifier.notices import Notice
from verifier.rdf.canonicalize import Canonicalizer
from verifier.report import Finding, passed, skipped, warning
from verifier.suites import json_web_signature_2020 as jws_2020

Verifier: TypeAlias = Callable[[JsonObject, JsonObject, PublicKey, Canonicalizer], None]
"""``verify_proof(secured, proof, key, canonicalizer)`` of a suite: returns, or raises what is wrong."""

SUITES: Final[Mapping[str, Verifier]] = {
    jws_2020.TYPE: jws_2020.verify_proof,
}
"""The proof types that can be checked, each by its suite."""


def check_credential_proof(case: Case) -> Iterable[Finding]:
    """Yield that every proof verifies over exactly this document, for the purpose of asserting it."""
    yield from _check(case, "assertionMethod")


def check_presentation_proof(case: Case) -> Iterable[Finding]:
    """Yield that every proof verifies over exactly this presentation, for the purpose of authentication."""
    yield from _check(case, "authentication")


def _check(case: Case, purpose: str) -> Iterable[Finding]:
    proofs = proofs_of(case.value)
    if not proofs:
        raise NoProofError("proof: the document carries no signature, so it proves nothing")
    if not case.proofs:
        yield skipped("not checked, since no key of the signer could be established")
        return
    for proof, method in case.proofs:
        verify(case.value, proof, method.key, purpose=purpose, canonicalizer=case.canonicalizer)
        yield passed(f"the {proof.get('type')} signature fits every signed member of the document")
    if any(proof in proofs[:index] for index, proof in enumerate(proofs)):
        yield warning(Notice.DUPLICATE_PROOF, "the same proof stands more than once")


def verify(
    secured: JsonObject, proof: JsonObject, key: PublicKey, *, purpose: str, canonicalizer: Canonicalizer
) -> None:
    """Return if ``proof`` verifies over ``secured`` by ``key`` for ``purpose``.

    Raises ProofVerificationError for a purpose or suite that is not known, InvalidRelationshipError for
    another purpose, and whatever the suite finds. A suite that we do not have refuses, rather than leaving
    it open: no later fetch can decide it, and a document must not gain from an exotic signature.
    """
    _check_purpose(proof.get("proofPurpose"), purpose)
    kind = proof.get("type")
    suite = SUITES.get(kind) if isinstance(kind, str) else None
    if suite is None:
        raise ProofVerificationError(f"proof.type: unsupported suite {ascii(kind)[:60]}; known: {', '.join(SUITES)}")
    suite(secured, proof, key, canonicalizer)


def _check_purpose(stated: Json, purpose: str) -> None:
    if stated == purpose:
        return
    if isinstance(stated, str) and stated in RELATIONSHIPS:
        raise InvalidRelationshipError(f"proof.proofPurpose: it is {stated}, and {purpose} is required here")
    raise ProofVerificationError(f"proof.proofPurpose: {purpose} is required")
