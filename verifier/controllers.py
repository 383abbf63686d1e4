"""Whose document says which keys: the DID document of an issuer or holder, and how far it can be believed."""

from __future__ import annotations

from typing import NamedTuple

from did import local
from did.documents import DidDocument, VerificationMethod, read_document
from did.identifiers import parse_did
from did.web import document_url
from schemas.errors import ParsingError, ResourceLimitError
from verifier.errors import (
    FetchBlockedError,
    FetchFailedError,
    InvalidVerificationMethodError,
    MalformedTermError,
)
from verifier.evidence import Evidence, Fetched
from verifier.notices import Notice
from verifier.policy import Policy
from verifier.report import Finding, passed, undecided, warning


class Controller(NamedTuple):
    """A DID document, and the finding that says where it comes from."""

    document: DidDocument
    provenance: Finding


def resolve(did: str, evidence: Evidence, policy: Policy) -> Controller:
    """Return the DID document of ``did``: from itself (did:key, did:jwk) or from the evidence (did:web).

    A document of did:web from a folder does not authenticate itself: unless its key is pinned or the folder
    is trusted, the provenance is inconclusive. Raises InvalidDidError, UnsupportedDidMethodError and the
    errors of did.documents; FetchFailedError where the document could not be had, FetchBlockedError.
    """
    if parse_did(did).method != "web":
        return Controller(local.resolve(did), passed("the DID carries its own key"))
    # What has no URL is no did:web, rather than one whose document is missing.
    document_url(did)
    fetched = evidence.did_documents.get(did)
    if fetched is None:
        raise FetchFailedError(f"the DID document of {did} is not at hand: nothing was fetched, no folder has it")
    document = read_document(body_of(fetched), did)
    return Controller(document, _provenance(did, fetched, policy))


def body_of(fetched: Fetched) -> bytes:
    """Return the bytes of a fetch, or raise what kept us from having them, as the error that it was."""
    if fetched.body is not None:
        return fetched.body
    detail = f"{fetched.url}: {fetched.detail or 'nothing was fetched'}"
    for refusal in (FetchBlockedError, ParsingError, ResourceLimitError, MalformedTermError):
        if fetched.problem == refusal.name:
            raise refusal(detail)
    raise FetchFailedError(detail)


def check_pin(did: str, method: VerificationMethod, policy: Policy) -> None:
    """Return unless the policy pins other keys of this DID. Raises InvalidVerificationMethodError."""
    pinned = policy.pinned_keys.get(did)
    if pinned is not None and method.key.thumbprint_uri not in pinned:
        raise InvalidVerificationMethodError(f"{method.id} is not one of the keys that are pinned for {did}")


def _provenance(did: str, fetched: Fetched, policy: Policy) -> Finding:
    if fetched.from_host and fetched.url.startswith("http:"):
        return warning(
            Notice.DEVELOPMENT,
            f"the DID document was fetched from {fetched.url}, by http from this machine: "
            "a development setting, and nothing vouches for it",
        )
    if fetched.from_host:
        kept = f" at {fetched.retrieved_at}, and kept since" if fetched.origin == "cache" else ""
        return passed(f"the DID document was fetched from {fetched.url}{kept}")
    if fetched.problem is not None and (did in policy.pinned_keys or policy.trust_evidence):
        return warning(
            Notice.EVIDENCE_FROM_FOLDER,
            f"the DID document could not be fetched ({fetched.detail}); the one in the evidence folder counts in its "
            "place, and would not show a key that was revoked since",
        )
    if did in policy.pinned_keys:
        return passed("the DID document comes from the evidence folder, and its key is pinned")
    if policy.trust_evidence:
        return warning(
            Notice.EVIDENCE_FROM_FOLDER,
            "the DID document comes from the evidence folder, which was declared to be trusted; "
            "nothing else shows that it is the issuer's",
        )
    return undecided(
        Notice.UNPINNED_DID_DOCUMENT,
        "the DID document comes from a folder, where anybody may have put it; pin its key in the policy "
        "(pinned_keys), or say --trust-evidence if you trust the folder",
    )
