"""The step on evidence: the bytes behind the claims, read again and held against them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from did.algorithms import Algorithm
from did.errors import DidError
from did.keys import PublicKey
from schemas.credential import EvidenceEntry, GreenComputeCredential, GreenComputeSummaryCredential
from schemas.errors import FormatError
from schemas.telemetry import PostedTelemetry, parse_telemetry
from verifier.case import Case
from verifier.claims.telemetry_match import beyond_the_record, mismatches
from verifier.errors import EvidenceMismatchError
from verifier.notices import Notice
from verifier.report import Finding, failed, passed, warning
from verifier.steps.claims import unread
from verifier.steps.sources import bytes_of, key_of, unchecked
from verifier.steps.windows import check_window_entry

TELEMETRY_ALGORITHMS: Final[tuple[Algorithm, ...]] = ("ES256", "EdDSA", "PS256")
"""How a node signs a posted record (FORMATS.md "telemetry"); RSA keys with PSS only."""


def check_evidence(case: Case) -> Iterable[Finding]:
    """Yield for each piece of evidence whether it says, and its signer signed, what the credential claims.

    What is not at hand or not understood is never counted: a warning, or inconclusive if the policy
    requires evidence.
    """
    credential = case.credential
    if credential is None:
        yield unread(case, wanted=case.policy.require_evidence)
    elif isinstance(credential, GreenComputeSummaryCredential):
        yield unchecked(case, "a summary has no evidence of its own: its members have, and they are not at hand here")
    else:
        for entry in credential.evidence:
            yield from _entry(case, entry)


def _entry(case: Case, entry: EvidenceEntry) -> Iterator[Finding]:
    if entry.is_tpm_quote or entry.window_digest is not None or not isinstance(case.credential, GreenComputeCredential):
        yield from check_window_entry(case, entry)
        return
    raw = bytes_of(case, entry)
    if raw is None:
        yield unchecked(case, f"not re-checked: the signed record {entry.id} is not at hand")
    else:
        yield from _posted_record(case, case.credential, entry, raw)


def _posted_record(
    case: Case, credential: GreenComputeCredential, entry: EvidenceEntry, raw: bytes
) -> Iterator[Finding]:
    try:
        posted = parse_telemetry(raw)
    except FormatError as error:
        raise EvidenceMismatchError(f"evidence: {entry.id} is no telemetry record: {error.detail}") from error
    if posted.record_digest != entry.record_digest:
        raise EvidenceMismatchError("evidence: recordDigest is not that of the record")
    wrong = [failed(EvidenceMismatchError(detail)) for detail in mismatches(posted.record, credential)]
    yield from wrong
    beyond = beyond_the_record(credential)
    if beyond:
        yield warning(Notice.EVIDENCE_NOT_CHECKED, f"the node's record does not speak of {', '.join(beyond)}")
    if not wrong:
        yield passed("the claims are those of the record that the node posted")
    key = key_of(case, entry.signed_by)
    if key is None:
        yield unchecked(case, f"the signature on the record is not re-checked: no public key for {entry.signed_by}")
        return
    _check_signature(posted, key)
    yield passed(f"the record is signed by the node's key {entry.signed_by}")
    if not wrong:
        case.shown = "simulated" if posted.record.simulated else "software"


def _check_signature(posted: PostedTelemetry, key: PublicKey) -> None:
    # The record names no algorithm: the key's kind decides, never what a JWK from elsewhere says it is for.
    algorithm = next((name for name in TELEMETRY_ALGORITHMS if name in key.algorithms), None)
    if algorithm is None:
        raise EvidenceMismatchError(f"evidence: a node's key signs with one of {', '.join(TELEMETRY_ALGORITHMS)}")
    try:
        key.verify(posted.signing_input, posted.record.signature, algorithm)
    except DidError as error:
        raise EvidenceMismatchError("evidence: the node's signature does not fit the record") from error
