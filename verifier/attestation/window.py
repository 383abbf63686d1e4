"""One window by itself: its header is what the key signed, and its records are what the header counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from schemas import digests
from schemas.cmw import WindowEvidence
from schemas.tpm import pcr
from schemas.tpm.algorithms import TpmAlg
from schemas.tpm.pcr import CHAIN_PCR
from schemas.window_header import (
    WindowHeader,
    decode_header,
    opening_qualification,
    quote_qualification,
    window_digest,
    within_clock_slack,
)
from schemas.window_record import ENERGIES, WindowRecord, WindowRecords
from verifier.attestation.attestation_key import AttestationKey, check_attestation_key
from verifier.attestation.errors import EpochError, RecordsMismatchError, WindowSignerError
from verifier.attestation.quote import Quote, check_quote

# Of what is active, every millijoule belongs to a record or is unattributed; of the other boundaries the
# window may hold more than its records, never less.
_WHOLLY_THE_RECORDS: Final = "accelerator_active_mj"
_AT_LEAST_THE_RECORDS: Final = (*(name for name in ENERGIES if name != _WHOLLY_THE_RECORDS), "estimated_mj")


@dataclass(frozen=True, slots=True)
class CheckedWindow:
    """A window whose signature holds; ``quote`` and ``chain_value`` are None where a software key signed.

    ``digest`` is the window digest, ``chain_value`` what the chain's register held when it was quoted (32
    bytes), ``records`` None where only the header was at hand.
    """

    header: WindowHeader
    digest: str
    records: WindowRecords | None = None
    quote: Quote | None = None
    chain_value: bytes | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """A quote that opens an epoch: at enrolment, and after each start of the machine.

    ``previous`` is the digest of the window before, None before the first; ``chain_value`` what the chain's
    register holds before the epoch's first window: whatever the system has put there since it started.
    """

    key: AttestationKey
    quote: Quote
    previous: str | None
    chain_value: bytes


def check_window(
    evidence: WindowEvidence,
    records: WindowRecords | None = None,
    *,
    key: AttestationKey | None = None,
    chain_pcr: int = CHAIN_PCR,
) -> CheckedWindow:
    """Return the window in a TPM's evidence, after header, quote and records were found to belong together.

    ``key`` saves checking the same attestation key for each window; it must be the evidence's. Whether that
    key is enrolled, its nonce was handed out, and the window follows from those before are other questions
    (freshness, chain).

    Raises FormatError (400, 413) where a part cannot be read, AttestationKeyError, WindowSignerError,
    QuoteError (401), EpochError (409) where the quote was made in another epoch than the header says, and
    RecordsMismatchError (400).
    """
    key = _key_of(evidence, key)
    header = decode_header(evidence.header)
    if header.ak != key.digest or header.key != key.thumbprint_uri:
        raise WindowSignerError("header: ak and key are not those of the attestation key that signed the quote")
    digest = window_digest(evidence.header)
    quote = check_quote(
        evidence.attest,
        evidence.signature,
        key,
        qualifying_data=quote_qualification(digest, header.nonce_bytes),
        selections=pcr.window_selection(chain_pcr),
        values=evidence.banks,
    )
    if header.boot.epoch != quote.epoch:
        raise EpochError(f"header: boot is {header.boot_epoch}, and the quote was made in epoch {_dotted(quote.epoch)}")
    if records is not None:
        check_records(header, records)
    return CheckedWindow(header, digests.encode(digest), records, quote, evidence.pcrs[chain_pcr])


def check_opening(
    attest: bytes,
    signature: bytes,
    key: AttestationKey,
    *,
    previous: str | None,
    nonce: bytes,
    pcrs: Mapping[int, bytes],
    chain_pcr: int = CHAIN_PCR,
) -> Opening:
    """Return the opening that a quote makes: over a window's registers, its qualifying data that of an opening.

    ``previous`` is the digest of the last window that was signed, None before the first; ``nonce`` the
    issuer's, or empty. Raises TpmStructureError and QuoteError.
    """
    quote = check_quote(
        attest,
        signature,
        key,
        qualifying_data=opening_qualification(previous, nonce),
        selections=pcr.window_selection(chain_pcr),
        values={TpmAlg.SHA256: pcrs},
    )
    return Opening(key, quote, previous, pcrs[chain_pcr])


def check_records(header: WindowHeader, records: WindowRecords) -> None:
    """Raise RecordsMismatchError unless the records are those that ``header`` counts, hashes, times and sums.

    The accelerators' active energy is the records' to the millijoule (the rest is unattributed); of every
    other boundary, the records may claim at most what the window has. Each record lies within the window, and lasts
    no longer by either clock.
    """
    if len(records) != header.records:
        raise RecordsMismatchError(f"records: {len(records)} of them; the header counts {header.records}")
    if records.merkle_root != header.merkle_root:
        raise RecordsMismatchError("records: their Merkle root is not the header's; one was changed, or their order")
    for index, record in enumerate(records.records):
        if (wrong := record_times(record, header)) is not None:
            raise RecordsMismatchError(f"record {index}: {wrong}")
    active = _sum(records.records, _WHOLLY_THE_RECORDS)
    if active != header.accelerator_active_mj:
        raise RecordsMismatchError(
            f"records: {_WHOLLY_THE_RECORDS} is {active} together, and {header.accelerator_active_mj} in the header"
        )
    for name in _AT_LEAST_THE_RECORDS:
        claimed = _sum(records.records, name)
        if claimed > getattr(header, name):
            raise RecordsMismatchError(f"records: {name} is {claimed} together, more than the header's")


def record_times(record: WindowRecord, header: WindowHeader | None) -> str | None:
    """Return in words what is wrong with a record's times, by themselves and in its window; None where they hold.

    Its length is that of CLOCK_BOOTTIME, and may differ from its labels' by 2 s and 15 %, as a window's.
    """
    if not within_clock_slack(record.duration_us, record.end_us - record.start_us):
        return "duration_us: it differs by more than 2 s and 15 % from end_us - start_us"
    if header is None:
        return None
    if record.start_us < header.start_us or record.end_us > header.end_us:
        return "it lies outside the window's start_us and end_us"
    if record.duration_us > header.duration_us:
        return "duration_us: it lasts longer than the window"
    return None


def _key_of(evidence: WindowEvidence, key: AttestationKey | None) -> AttestationKey:
    if key is None:
        return check_attestation_key(evidence.ak)
    if key.public.encode() != evidence.ak:
        raise WindowSignerError("ak: it is not the attestation key that this node is enrolled with")
    return key


def _sum(records: Sequence[WindowRecord], name: str) -> int:
    return sum([getattr(record, name) for record in records])


def _dotted(epoch: tuple[int, ...]) -> str:
    return ".".join(map(str, epoch))
