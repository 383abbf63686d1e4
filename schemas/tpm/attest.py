"""TPMS_ATTEST: what a TPM says of itself, its registers, keys and time (TPM 2.0 Part 2 §10.12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from schemas.tpm.algorithms import MAX_DIGEST_BYTES, TPM_GENERATED_VALUE, TpmSt
from schemas.tpm.errors import ForeignAttestError
from schemas.tpm.pcr import PcrSelection, read_selections
from schemas.tpm.wire import Reader

_STRUCTURE: Final = "TPMS_ATTEST"
_MAX_NAME_BYTES: Final = 2 + MAX_DIGEST_BYTES
_MAX_DATA_BYTES: Final = 2 + MAX_DIGEST_BYTES
_MAX_NV_BYTES: Final = 2048


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
class CertifyInfo:
    """TPMS_CERTIFY_INFO: the Name of a key that is in the TPM, and its qualified Name."""

    object_name: bytes
    qualified_name: bytes


@dataclass(frozen=True, slots=True)
class CreationInfo:
    """TPMS_CREATION_INFO: the Name of a key that the TPM made, and the digest of how."""

    object_name: bytes
    creation_hash: bytes


@dataclass(frozen=True, slots=True)
class NvCertifyInfo:
    """TPMS_NV_CERTIFY_INFO: the Name of an NV index, and contents from ``offset`` on."""

    index_name: bytes
    offset: int
    contents: bytes


@dataclass(frozen=True, slots=True)
class NvDigestCertifyInfo:
    """TPMS_NV_DIGEST_CERTIFY_INFO: the Name of an NV index, and the digest of its contents."""

    index_name: bytes
    nv_digest: bytes


@dataclass(frozen=True, slots=True)
class TimeAttestInfo:
    """TPMS_TIME_ATTEST_INFO: ms since the TPM was powered, its clock, and its firmware."""

    time_ms: int
    clock_info: ClockInfo
    firmware_version: int


@dataclass(frozen=True, slots=True)
class SessionAuditInfo:
    """TPMS_SESSION_AUDIT_INFO: the digest of a session's commands, and whether nothing ran beside it."""

    exclusive_session: bool
    session_digest: bytes


@dataclass(frozen=True, slots=True)
class CommandAuditInfo:
    """TPMS_COMMAND_AUDIT_INFO: the digest of audited commands, their counter and the digest of their codes."""

    audit_counter: int
    digest_algorithm: int
    audit_digest: bytes
    command_digest: bytes


Attested: TypeAlias = (
    QuoteInfo
    | CertifyInfo
    | CreationInfo
    | NvCertifyInfo
    | NvDigestCertifyInfo
    | TimeAttestInfo
    | SessionAuditInfo
    | CommandAuditInfo
)


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
    attested: Attested


def parse_attest(raw: bytes) -> Attest:
    """Return what a TPM attested.

    Raises ForeignAttestError where the magic is not TPM_GENERATED_VALUE or the type is unknown, and
    TpmStructureError where bytes are cut off, left over, too long, or a boolean is neither 0 nor 1.
    """
    reader = Reader(raw, _STRUCTURE)
    magic = reader.uint32("magic")
    if magic != TPM_GENERATED_VALUE:
        raise ForeignAttestError(f"{_STRUCTURE}: magic is 0x{magic:08x}, so the TPM did not make what it signed")
    kind = reader.uint16("type")
    read = _READERS.get(kind)
    if read is None:
        raise ForeignAttestError(f"{_STRUCTURE}: type 0x{kind:04x} is none of an attestation")
    attest = Attest(
        qualified_signer=reader.sized("qualifiedSigner", _MAX_NAME_BYTES),
        extra_data=reader.sized("extraData", _MAX_DATA_BYTES),
        clock_info=_clock_info(reader),
        firmware_version=reader.uint64("firmwareVersion"),
        attested=read(reader),
    )
    reader.end()
    return attest


def _clock_info(reader: Reader) -> ClockInfo:
    return ClockInfo(
        reader.uint64("clock"), reader.uint32("resetCount"), reader.uint32("restartCount"), reader.boolean("safe")
    )


def _name(reader: Reader, field: str) -> bytes:
    return reader.sized(field, _MAX_NAME_BYTES)


def _digest(reader: Reader, field: str) -> bytes:
    return reader.sized(field, MAX_DIGEST_BYTES)


def _quote(reader: Reader) -> QuoteInfo:
    return QuoteInfo(read_selections(reader), _digest(reader, "pcrDigest"))


def _certify(reader: Reader) -> CertifyInfo:
    return CertifyInfo(_name(reader, "name"), _name(reader, "qualifiedName"))


def _creation(reader: Reader) -> CreationInfo:
    return CreationInfo(_name(reader, "objectName"), _digest(reader, "creationHash"))


def _nv(reader: Reader) -> NvCertifyInfo:
    return NvCertifyInfo(_name(reader, "indexName"), reader.uint16("offset"), reader.sized("nvContents", _MAX_NV_BYTES))


def _nv_digest(reader: Reader) -> NvDigestCertifyInfo:
    return NvDigestCertifyInfo(_name(reader, "indexName"), _digest(reader, "nvDigest"))


def _time(reader: Reader) -> TimeAttestInfo:
    return TimeAttestInfo(reader.uint64("time"), _clock_info(reader), reader.uint64("firmwareVersion"))


def _session_audit(reader: Reader) -> SessionAuditInfo:
    return SessionAuditInfo(reader.boolean("exclusiveSession"), _digest(reader, "sessionDigest"))


def _command_audit(reader: Reader) -> CommandAuditInfo:
    return CommandAuditInfo(
        reader.uint64("auditCounter"),
        reader.uint16("digestAlg"),
        _digest(reader, "auditDigest"),
        _digest(reader, "commandDigest"),
    )


_READERS: Final[Mapping[int, Callable[[Reader], Attested]]] = {
    TpmSt.ATTEST_QUOTE: _quote,
    TpmSt.ATTEST_CERTIFY: _certify,
    TpmSt.ATTEST_CREATION: _creation,
    TpmSt.ATTEST_NV: _nv,
    TpmSt.ATTEST_NV_DIGEST: _nv_digest,
    TpmSt.ATTEST_TIME: _time,
    TpmSt.ATTEST_SESSION_AUDIT: _session_audit,
    TpmSt.ATTEST_COMMAND_AUDIT: _command_audit,
}
