"""Platform configuration registers: which were selected, what they held, and the digest that a quote signs.

TPM 2.0 Part 2 §10.6 (selections), Part 3 §18.4 and Part 1 §17.5 (the digest: the values in the order of the
selections, the lowest register first).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from schemas.tpm import algorithms, wire
from schemas.tpm.algorithms import TpmAlg
from schemas.tpm.errors import TpmStructureError
from schemas.tpm.wire import Reader

PcrBanks: TypeAlias = Mapping[int, Mapping[int, bytes]]
"""Values by the bank's hash algorithm and the register's number."""

PCR_COUNT: Final = 24
"""Registers of a PC client platform, numbered from 0."""

CHAIN_PCR: Final = 15
"""Where the windows are chained, if nothing else is configured."""

_BOOT_PCRS: Final = (0, 1, 2, 3, 4, 5, 6, 7)
_IMA_PCR: Final = 10
# From 16 on, a running system can reset a register (debug and dynamic launch): a window could be hidden by that.
_CHAIN_PCRS: Final = frozenset(range(8, 16)) - {_IMA_PCR}
_MAX_SELECTIONS: Final = 16
_MAX_SELECT_BYTES: Final = 4
_SELECT_BYTES: Final = PCR_COUNT // 8


@dataclass(frozen=True, slots=True)
class PcrSelection:
    """TPMS_PCR_SELECTION: registers of one bank, ascending."""

    hash_algorithm: int
    indices: tuple[int, ...]


def window_selection(chain_pcr: int = CHAIN_PCR) -> tuple[PcrSelection, ...]:
    """Return what a window's quote selects: SHA-256 of the firmware's 0 to 7, IMA's 10, and the chain's register.

    Raises TpmStructureError for a chain in a register that is none, that is quoted for something else, or that
    software can reset.
    """
    if chain_pcr not in _CHAIN_PCRS:
        raise TpmStructureError(f"PCR {chain_pcr} cannot hold the chain; 15 is usual, 8, 9 and 11 to 14 are possible")
    return (PcrSelection(TpmAlg.SHA256, tuple(sorted((*_BOOT_PCRS, _IMA_PCR, chain_pcr)))),)


def read_selections(reader: Reader) -> tuple[PcrSelection, ...]:
    """Return a TPML_PCR_SELECTION. Raises TpmStructureError for more than 16 banks or 32 registers."""
    count = reader.uint32("the count of PCR selections")
    if count > _MAX_SELECTIONS:
        raise reader.error(f"{count} PCR selections; at most {_MAX_SELECTIONS} are possible")
    return tuple(_read_selection(reader) for _ in range(count))


def _read_selection(reader: Reader) -> PcrSelection:
    hash_algorithm = reader.uint16("a PCR selection's hash")
    size = reader.uint8("sizeofSelect")
    if size > _MAX_SELECT_BYTES:
        raise reader.error(f"sizeofSelect is {size}; at most {_MAX_SELECT_BYTES} is possible")
    bits = int.from_bytes(reader.take(size, "pcrSelect"), "little")
    return PcrSelection(hash_algorithm, tuple(index for index in range(8 * size) if bits >> index & 1))


def encode_selections(selections: Sequence[PcrSelection]) -> bytes:
    """Return a TPML_PCR_SELECTION of 24 registers a bank, for a command. Raises TpmStructureError for others."""
    parts = [wire.uint32(len(selections))]
    for selection in selections:
        if not all(0 <= index < PCR_COUNT for index in selection.indices):
            raise TpmStructureError(f"a PCR is numbered 0 to {PCR_COUNT - 1}; {selection.indices} were selected")
        bits = sum({1 << index for index in selection.indices})
        parts += [
            wire.uint16(selection.hash_algorithm),
            wire.uint8(_SELECT_BYTES),
            bits.to_bytes(_SELECT_BYTES, "little"),
        ]
    return b"".join(parts)


def composite_digest(selections: Sequence[PcrSelection], values: PcrBanks, hash_algorithm: int) -> bytes:
    """Return the digest over the selected registers' values, by ``hash_algorithm``: the signing scheme's.

    Raises TpmStructureError where a value is missing or has another length than its bank's digests.
    """
    content = bytearray()
    for selection in selections:
        bank = values.get(selection.hash_algorithm, {})
        for index in selection.indices:
            content += _value(bank, index, selection.hash_algorithm)
    return algorithms.digest(hash_algorithm, bytes(content))


def _value(bank: Mapping[int, bytes], index: int, hash_algorithm: int) -> bytes:
    value = bank.get(index)
    if value is None:
        raise TpmStructureError(f"PCR {index} of {algorithms.algorithm_name(hash_algorithm)}: no value is given")
    if len(value) != algorithms.digest_bytes(hash_algorithm):
        raise TpmStructureError(
            f"PCR {index} has {algorithms.digest_bytes(hash_algorithm)} bytes; this value has {len(value)}"
        )
    return value


def extend(value: bytes, digest: bytes) -> bytes:
    """Return what a SHA-256 register holds after TPM2_PCR_Extend: SHA-256(value || digest), 32 bytes."""
    return algorithms.digest(TpmAlg.SHA256, value + digest)
