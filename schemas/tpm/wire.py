"""How a TPM writes numbers and buffers: big-endian, a UINT16 size before each TPM2B (TPM 2.0 Part 2 §5, §10.4).

The reader never looks past the bytes that it was given, believes no length before it has checked it, and
says at the end whether anything was left over.
"""

from __future__ import annotations

from typing import Final

from schemas.tpm.errors import TpmStructureError

MAX_STRUCTURE_BYTES: Final = 4096
"""No response of a TPM is longer, and so none of the structures in it."""


class Reader:
    """Reads one structure from its first byte to its last. ``structure`` is its name, for the errors.

    Every method raises TpmStructureError where the bytes end too soon or a value may not stand there.
    """

    __slots__ = ("_offset", "_raw", "_structure")

    def __init__(self, raw: bytes, structure: str) -> None:
        """Take the bytes, at most 4096 of them."""
        self._raw = raw
        self._offset = 0
        self._structure = structure
        if len(raw) > MAX_STRUCTURE_BYTES:
            raise self.error(f"{len(raw)} bytes; at most {MAX_STRUCTURE_BYTES} are read")

    def error(self, detail: str) -> TpmStructureError:
        """Return an error that names the structure and ``detail``, for the caller to raise."""
        return TpmStructureError(f"{self._structure}: {detail}")

    def take(self, length: int, field: str) -> bytes:
        """Return the next ``length`` bytes."""
        end = self._offset + length
        if end > len(self._raw):
            raise self.error(f"{field} has {length} bytes; {len(self._raw) - self._offset} are left")
        taken = self._raw[self._offset : end]
        self._offset = end
        return taken

    def uint8(self, field: str) -> int:
        """Return the next byte as a number."""
        return self.take(1, field)[0]

    def uint16(self, field: str) -> int:
        """Return the next two bytes as a number."""
        return int.from_bytes(self.take(2, field), "big")

    def uint32(self, field: str) -> int:
        """Return the next four bytes as a number."""
        return int.from_bytes(self.take(4, field), "big")

    def uint64(self, field: str) -> int:
        """Return the next eight bytes as a number."""
        return int.from_bytes(self.take(8, field), "big")

    def boolean(self, field: str) -> bool:
        """Return a TPMI_YES_NO: 0 or 1 and nothing else, so that no two spellings mean the same."""
        value = self.uint8(field)
        if value not in (0, 1):
            raise self.error(f"{field} is {value}; a TPMI_YES_NO is 0 or 1")
        return value == 1

    def sized(self, field: str, limit: int) -> bytes:
        """Return the contents of a TPM2B of at most ``limit`` bytes."""
        size = self.uint16(field)
        if size > limit:
            raise self.error(f"{field} says that it has {size} bytes; at most {limit} are possible")
        return self.take(size, field)

    def end(self) -> None:
        """Raise TpmStructureError where bytes are left over."""
        left = len(self._raw) - self._offset
        if left:
            raise self.error(f"{left} bytes too many at its end")


def uint8(value: int) -> bytes:
    """Return ``value`` in one byte. Raises TpmStructureError where it does not fit."""
    return _unsigned(value, 1)


def uint16(value: int) -> bytes:
    """Return ``value`` in two bytes. Raises TpmStructureError where it does not fit."""
    return _unsigned(value, 2)


def uint32(value: int) -> bytes:
    """Return ``value`` in four bytes. Raises TpmStructureError where it does not fit."""
    return _unsigned(value, 4)


def sized(content: bytes) -> bytes:
    """Return a TPM2B: the size of ``content`` in two bytes, then it. Raises TpmStructureError above 65,535 bytes."""
    return uint16(len(content)) + content


def _unsigned(value: int, length: int) -> bytes:
    if not 0 <= value < 1 << 8 * length:
        raise TpmStructureError(f"{value} does not fit into {length} bytes")
    return value.to_bytes(length, "big")
