"""The part of the evidence step that reads windows: the signature, the figures in it, the TPM behind it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TypeAlias, TypeVar

from schemas import digests
from schemas.credential import EvidenceEntry, GreenComputeCredential, GreenComputeWindowCredential
from schemas.errors import FormatError
from schemas.receipt import Receipt, parse_receipt
from schemas.window_record import WindowRecords, decode_records
from verifier.attestation.chain import unsafe
from verifier.attestation.errors import AttestationError
from verifier.attestation.window import CheckedWindow, check_records
from verifier.case import Case
from verifier.enrolment import Enrolment, check_enrolment, match_window
from verifier.errors import EvidenceMismatchError
from verifier.evidence import name_of_records
from verifier.notices import Notice
from verifier.policy import Assurance, reaches
from verifier.receipt import check_receipt, root_of
from verifier.report import Finding, failed, passed, warning
from verifier.steps.sources import attached, bytes_of, key_of, unchecked
from verifier.window_evidence import SignedWindow, read_quote, read_software
from verifier.window_factors import factor_mismatches, factors_of
from verifier.window_match import (
    beyond_the_header,
    is_plain_name,
    record_mismatches,
    sum_mismatches,
    tenant_mismatch,
    window_mismatches,
)

T = TypeVar("T")
Found: TypeAlias = Generator[Finding, None, T]
"""Findings on the way to a result."""


def check_window_entry(case: Case, entry: EvidenceEntry) -> Iterator[Finding]:
    """Yield whether the window in ``entry`` is signed, says what is claimed, and by which kind of key.

    Raises EvidenceMismatchError for what speaks against the credential.
    """
    if isinstance(case.credential, GreenComputeCredential):
        yield from _factors(case, case.credential, entry)
    signed = yield from _signed_window(case, entry)
    if signed is None:
        return
    agrees = yield from _claims(case, entry, signed.window)
    level: Assurance = "software"
    if entry.is_tpm_quote:
        level = yield from _enrolment(case, entry, signed)
    elif entry.enrolment_digest is not None:
        yield warning(Notice.EVIDENCE_NOT_CHECKED, "an enrolment record adds nothing to a software key's signature")
    if agrees:
        case.window = signed.window
        shown: Assurance = "simulated" if signed.window.header.simulated else level
        case.shown = shown if case.shown is None or reaches(shown, case.shown) else case.shown


def _signed_window(case: Case, entry: EvidenceEntry) -> Found[SignedWindow | None]:
    raw = bytes_of(case, entry)
    if raw is None:
        yield unchecked(case, f"not re-checked: the signed window {entry.id} is not at hand")
        return None
    if entry.is_tpm_quote:
        signed = read_quote(entry, raw)
        epoch = signed.window.header.boot_epoch
        yield passed(f"an attestation key, {entry.signed_by}, quoted the window in boot epoch {epoch}")
        yield from (warning(Notice.CLOCK_UNSAFE, flag.detail) for flag in unsafe(signed.window.quote))
        return signed
    key = key_of(case, entry.signed_by)
    if key is None:
        yield unchecked(case, f"the signature on the window is not re-checked: no public key for {entry.signed_by}")
        return None
    signed = read_software(entry, raw, key)
    yield passed(f"the window is signed by the node's key {entry.signed_by}")
    return signed


def _claims(case: Case, entry: EvidenceEntry, window: CheckedWindow) -> Found[bool]:
    """Return whether all that is claimed was found in what the node signed."""
    credential = case.credential
    if isinstance(credential, GreenComputeWindowCredential):
        return (yield from _window_claims(case, credential, window))
    if isinstance(credential, GreenComputeCredential):
        return (yield from _record_claims(case, credential, entry, window))
    return False


def _window_claims(case: Case, credential: GreenComputeWindowCredential, window: CheckedWindow) -> Found[bool]:
    wrong = [*window_mismatches(credential, window.header, window.digest)]
    records = _records(case, window)
    if records is not None:
        wrong += sum_mismatches(credential, records.records)
        yield passed(f"the {len(records)} records at hand are those of the window, and add up to it")
    yield from (failed(EvidenceMismatchError(detail)) for detail in wrong)
    beyond = beyond_the_header(credential) if records is None else []
    if beyond:
        yield warning(
            Notice.EVIDENCE_NOT_CHECKED,
            f"not in the header that was signed, but sums over the window's records: {', '.join(beyond)}",
        )
    if not wrong:
        yield passed("the claims are those of the window that the node signed")
    return not wrong


def _records(case: Case, window: CheckedWindow) -> WindowRecords | None:
    """Return the window's records, None if they are not at hand. Raises EvidenceMismatchError for others."""
    raw = attached(case, name_of_records(window.header.merkle_root))
    if raw is None:
        return None
    try:
        records = decode_records(raw)
        check_records(window.header, records)
    except (FormatError, AttestationError) as error:
        raise EvidenceMismatchError(f"records: {error.detail}") from error
    return records


def _record_claims(
    case: Case, credential: GreenComputeCredential, entry: EvidenceEntry, window: CheckedWindow
) -> Found[bool]:
    receipt = _receipt(case, credential, entry)
    if receipt is None:
        yield unchecked(case, f"not re-checked: the record {entry.record_digest} is not at hand; its receipt has it")
        return False
    check_receipt(receipt, root_of(window.header, window.digest))
    yield passed(f"the record is number {receipt.inclusion.index} of the {window.header.records} in the window")
    wrong = [*record_mismatches(credential, receipt.record, window.header)]
    yield from (failed(EvidenceMismatchError(detail)) for detail in wrong)
    yield from _tenant(credential, receipt)
    yield from _named(credential, receipt)
    if not wrong:
        yield passed("the claims are those of the record in the window that the node signed")
    return not wrong


def _factors(case: Case, credential: GreenComputeCredential, entry: EvidenceEntry) -> Iterator[Finding]:
    """Yield whether building, grid and ``windowCredential`` are those of the window that the inference is part of."""
    named, issuer = credential.credential_subject.window_credential, credential.issuer
    verified = case.windows.get(entry.window_digest or "", {})
    own = {name: window for name, window in verified.items() if window.issuer == issuer}
    if not own:
        told = (
            "PUE, carbon intensity, region and windowCredential are the issuer's word: no node signs them, and the "
            "window's credential was not held against them (none that verifies by itself is at hand: put it into the "
            "folder of verify --evidence DIR, or check a bundle that has both)"
        )
        yield warning(Notice.EVIDENCE_NOT_CHECKED, told)
        return
    if named is not None and named not in own:
        told = f"windowCredential: {named} is claimed, the window's own is {next(iter(own))}"
        yield failed(EvidenceMismatchError(told))
        return
    window = next(iter(own.values())) if named is None else own[named]
    wrong = [*factor_mismatches(factors_of(credential), window)]
    yield from (failed(EvidenceMismatchError(detail)) for detail in wrong)
    if not wrong:
        yield passed("PUE, carbon intensity and region are those of the window's credential")


def _receipt(case: Case, credential: GreenComputeCredential, entry: EvidenceEntry) -> Receipt | None:
    """Return the receipt of the record, None if not at hand. Raises EvidenceMismatchError for another one."""
    raw = attached(case, entry.record_digest or "")
    if raw is None:
        return None
    try:
        receipt = parse_receipt(raw)
    except FormatError as error:
        raise EvidenceMismatchError(f"evidence: the receipt of the record cannot be used: {error.detail}") from error
    if receipt.record_digest != entry.record_digest:
        raise EvidenceMismatchError(f"evidence: recordDigest is not that of the record, {receipt.record_digest}")
    if str(receipt.inclusion.index) != entry.record_index:
        raise EvidenceMismatchError(f"evidence: recordIndex is not that of the record, {receipt.inclusion.index}")
    claimed = credential.credential_subject.window_credential
    if claimed is not None and claimed != receipt.window_credential:
        raise EvidenceMismatchError(f"windowCredential: {claimed} is claimed, the receipt names another")
    return receipt


def _tenant(credential: GreenComputeCredential, receipt: Receipt) -> Iterator[Finding]:
    """Yield whether the tenant's commitment is opened. What the record does not say is the issuer's word."""
    if credential.credential_subject.tenant_commitment is None:
        return
    if receipt.tenant_salt is None or receipt.record.tenant_id is None:
        yield warning(
            Notice.EVIDENCE_NOT_CHECKED, "the tenant's commitment is not opened: no salt, or no tenant in the record"
        )
        return
    wrong = [*tenant_mismatch(credential, receipt.record, receipt.tenant_salt)]
    yield from (failed(EvidenceMismatchError(detail)) for detail in wrong)
    if not wrong:
        yield passed("the tenant's commitment is opened by the receipt's salt")


def _named(credential: GreenComputeCredential, receipt: Receipt) -> Iterator[Finding]:
    """Yield that whose the inference is, is the issuer's word, where the node did not sign that very IRI."""
    claimed, named = credential.credential_subject.tenant_id, receipt.record.tenant_id
    if claimed is not None and (named is None or is_plain_name(named)):
        who = "no customer" if named is None else f'the customer "{named}"'
        yield passed(f"the record names {who}: that it is {claimed} is the issuer's word")


def _enrolment(case: Case, entry: EvidenceEntry, signed: SignedWindow) -> Found[Assurance]:
    """Return the assurance that the enrolment record states, "software" where none is at hand.

    A quote alone shows a key that says it is a TPM's: a program can make such a key, and sign with it what it likes.
    """
    digest = entry.enrolment_digest or ""
    raw = attached(case, digest)
    if raw is None:
        yield unchecked(case, f"which TPM signed is the issuer's word: the enrolment record {digest} is not at hand")
        return "software"
    if digests.digest(raw) != digest:
        raise EvidenceMismatchError("enrolment record: its bytes do not have the digest that the issuer signed")
    enrolment = case.memo.enrolments.get(digest, lambda: check_enrolment(raw))
    match_window(enrolment, signed.window, chain_pcr=signed.chain_pcr or 0)
    _check_hardware(case, enrolment)
    case.enrolment = enrolment
    level: Assurance = enrolment.record.enrolment_class
    yield passed(
        f"the key is enrolled as {level} ({enrolment.record.manufacturer}), TPM {enrolment.record.ek}; that it lives in "
        "that TPM was shown to the issuer alone"
    )
    return level


def _check_hardware(case: Case, enrolment: Enrolment) -> None:
    claimed = getattr(case.credential.credential_subject, "hardware_id", None) if case.credential else None
    if claimed is not None and claimed != enrolment.record.ek:
        raise EvidenceMismatchError(f"hardwareId: {claimed} is claimed, the enrolment is of {enrolment.record.ek}")
