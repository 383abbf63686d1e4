"""The steps on the issuer: its DID document, the key that signed, and whether it is trusted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from did.documents import DidDocument, VerificationMethod
from did.errors import DidError
from did.identifiers import split_did_url
from schemas.strict_json import Json, JsonObject
from verifier.case import Case, SignedProof
from verifier.controllers import check_pin
from verifier.document import identifier, proofs_of
from verifier.errors import (
    HolderBindingError,
    InvalidVerificationMethodError,
    KeyRevokedError,
    ResourceLimitError,
    UntrustedIssuerError,
    VerificationError,
)
from verifier.moments import read_moment
from verifier.notices import Notice
from verifier.policy import port_hint
from verifier.report import Finding, failed, passed, skipped, warning

MAX_PROOFS: Final = 4


def check_issuer_key(case: Case) -> Iterable[Finding]:
    """Yield that the key of each proof stands in assertionMethod of the issuer's own DID document, and counts."""
    yield from _establish(case, identifier(case.value.get("issuer")) or "", "assertionMethod")


def check_holder_key(case: Case) -> Iterable[Finding]:
    """Yield that the key of each proof stands in authentication of the holder's own DID document, and counts."""
    yield from _establish(case, identifier(case.value.get("holder")) or "", "authentication", HolderBindingError)


def _establish(
    case: Case,
    did: str,
    relationship: str,
    foreign_key: type[VerificationError] = InvalidVerificationMethodError,
) -> Iterator[Finding]:
    """Yield the provenance of the DID document, and for each proof that its key is fit; keep proof and key."""
    proofs = proofs_of(case.value)
    if len(proofs) > MAX_PROOFS:
        raise ResourceLimitError(f"{len(proofs)} proofs; at most {MAX_PROOFS} are checked")
    controller = case.controller(did)
    yield controller.provenance
    for proof in proofs:
        method = _method(proof, controller.document, relationship, foreign_key)
        check_pin(did, method, case.policy)
        yield _currency(case, proof, method)
        case.proofs.append(SignedProof(proof, method))
    if not proofs:
        yield skipped("there is no proof that would name a key")


def _method(
    proof: JsonObject, document: DidDocument, relationship: str, foreign_key: type[VerificationError]
) -> VerificationMethod:
    """Return the method that a proof names. It must be one of the document's own, spelled out in full."""
    method_id = proof.get("verificationMethod")
    try:
        owner = split_did_url(method_id)[0] if isinstance(method_id, str) else None
    except DidError as error:
        raise InvalidVerificationMethodError(f"proof.verificationMethod: {error.detail}") from error
    if not isinstance(method_id, str) or owner != document.id:
        raise foreign_key(f"proof.verificationMethod: it is not a key of {document.id}")
    known = document.verification_methods.get(method_id)
    # A revoked key is in no relationship any more; that it is revoked says more than that.
    if known is not None and known.revoked is not None:
        raise KeyRevokedError(f"{method_id} was revoked at {known.revoked.isoformat()}; its signatures prove nothing")
    return document.key_for(method_id, relationship)


def _currency(case: Case, proof: JsonObject, method: VerificationMethod) -> Finding:
    method.check_current(_signed_at(proof.get("created"), case.now))
    if method.expires is not None and method.expires <= case.now:
        return warning(
            Notice.KEY_RETIRED,
            f"{method.id} was retired at {method.expires.isoformat()}; it counts for what it signed before, "
            "of which only the proof's own date speaks",
        )
    return passed(f"{method.id} ({method.key.crv or method.key.kty}) is the signer's own key for this purpose")


def _signed_at(created: Json, now: datetime) -> datetime:
    return now if created is None else read_moment(created, "proof.created")


def check_trusted_issuer(case: Case) -> Iterable[Finding]:
    """Yield whether the issuer is on the policy's list. A name shown beside the DID counts for nothing."""
    issuer = identifier(case.value.get("issuer")) or ""
    if issuer in case.policy.on_list:
        yield passed(f"{issuer} is on the list of trusted issuers")
    elif case.policy.require_trusted_issuer or case.policy.trusted_issuers:
        hint = port_hint(case.policy, issuer)
        yield failed(UntrustedIssuerError(f"{issuer} is not on the list of trusted issuers{hint}"))
    else:
        hint = port_hint(case.policy, issuer)
        detail = f"{issuer} is not on a list of trusted issuers: it is certain who signed, not that you know them{hint}"
        yield warning(Notice.UNTRUSTED_ISSUER, detail)
