"""Where the evidence step finds what a credential names: bytes by their digest, keys by their thumbprint."""

from __future__ import annotations

from did.errors import DidError
from did.jwk import parse_jwk
from did.keys import PublicKey
from schemas import base64url, digests, strict_json
from schemas.credential import EvidenceEntry
from schemas.errors import FormatError
from verifier.case import Case
from verifier.errors import EvidenceMismatchError
from verifier.notices import Notice
from verifier.report import Finding, undecided, warning


def unchecked(case: Case, detail: str) -> Finding:
    """Return that something was not checked again: a warning, inconclusive where the policy requires evidence."""
    notice = Notice.EVIDENCE_NOT_CHECKED
    return undecided(notice, detail) if case.policy.require_evidence else warning(notice, detail)


def bytes_of(case: Case, entry: EvidenceEntry) -> bytes | None:
    """Return the evidence's bytes, None if not at hand. Raises EvidenceMismatchError for other bytes."""
    raw = base64url.decode(entry.inline_evidence) if entry.inline_evidence is not None else None
    if raw is None:
        raw = attached(case, entry.digest_multibase)
    if raw is not None and digests.digest(raw) != entry.digest_multibase:
        raise EvidenceMismatchError(f"evidence: the bytes of {entry.id} do not have the digest that the issuer signed")
    return raw


def attached(case: Case, name: str) -> bytes | None:
    """Return what was gathered under a digest or a thumbprint, None if not at hand; nothing of it is checked yet."""
    fetched = case.evidence.attachments.get(name)
    return None if fetched is None else fetched.body


def key_of(case: Case, thumbprint_uri: str) -> PublicKey | None:
    """Return a node's key, None if not at hand. Raises EvidenceMismatchError where it is another key."""
    raw = attached(case, thumbprint_uri)
    if raw is None:
        return None
    try:
        key = parse_jwk(strict_json.parse_object(raw))
    except (DidError, FormatError) as error:
        raise EvidenceMismatchError(f"evidence: the key of the node cannot be used: {error.detail}") from error
    if key.thumbprint_uri != thumbprint_uri:
        raise EvidenceMismatchError(f"evidence: the key at hand is {key.thumbprint_uri}, not the signer's")
    return key
