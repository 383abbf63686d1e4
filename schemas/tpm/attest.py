"""TPMS_ATTEST of a quote: what a TPM says of its registers and its time (TPM 2.0 Part 2 §10.12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.tpm.algorithms import MAX_DIGEST_BYTES, TPM_GENERATED_VALUE, TPM_ST_ATTEST_QUOTE
from schemas.tpm.errors import ForeignAttestError
from schemas.tpm.pcr import PcrSelection, read_selections
from schemas.tpm.wire import Reader

_STRUCTURE: Final = "TPMS_ATTEST"
_MAX_NAME_BYTES: Final = 2 + MAX_DIGEST_BYTES
_MAX_DATA_BYTES: Final = 2 + MAX_DIGEST_BYTES


@dataclass(frozen=True, slots=True)
class ClockInfo:
    """TPMS_CLOCK_INFO: ms that the TPM was powered, counters of its resets and restarts, and whether time is safe.

    ``safe`` is False where the clock may repeat values that it gave before it lost power.
    """

    clock_ms: int
    reset_count: int
    restart_count: int
    safe: bool


@dataclass(frozen=True, slots=True)
class QuoteInfo:
    """TPMS_QUOTE_INFO: which registers were selected, and the digest of their values."""

    selections: tuple[PcrSelection, ...]
    pcr_digest: bytes


@dataclass(frozen=True, slots=True)
class Attest:
    """TPMS_ATTEST: who signed, what was to be bound in, the clock, the firmware, and what is attested.

    ``extra_data`` is what the caller gave the TPM to sign along. Clock and firmware come obfuscated unless
    the key is in the endorsement hierarchy (Part 1 §36.7).
    """

    qualified_signer: bytes
    extra_data: bytes
    clock_info: ClockInfo
    firmware_version: int
    attested: QuoteInfo


def parse_attest(raw: bytes) -> Attest:
    """Return what a TPM quoted.

    Raises ForeignAttestError where the magic is not TPM_GENERATED_VALUE or the type is no quote's, and
    TpmStructureError where bytes are cut off, left over, too long, or a boolean is neither 0 nor 1.
    """
    reader = Reader(raw, _STRUCTURE)
    magic = reader.uint32("magic")
    if magic != TPM_GENERATED_VALUE:
        raise ForeignAttestError(f"{_STRUCTURE}: magic is 0x{magic:08x}, so the TPM did not make what it signed")
    kind = reader.uint16("type")
    if kind != TPM_ST_ATTEST_QUOTE:
        raise ForeignAttestError(f"{_STRUCTURE}: type 0x{kind:04x} was signed, and not a quote of registers")
    attest = Attest(
        qualified_signer=reader.sized("qualifiedSigner", _MAX_NAME_BYTES),
        extra_data=reader.sized("extraData", _MAX_DATA_BYTES),
        clock_info=ClockInfo(
            reader.uint64("clock"), reader.uint32("resetCount"), reader.uint32("restartCount"), reader.boolean("safe")
        ),
        firmware_version=reader.uint64("firmwareVersion"),
        attested=QuoteInfo(read_selections(reader), reader.sized("pcrDigest", MAX_DIGEST_BYTES)),
    )
    reader.end()
    return attest
