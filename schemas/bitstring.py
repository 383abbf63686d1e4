"""Status bits and their compressed spelling (StatusList2021 §4, Bitstring Status List v1.0 §3).

Bit 0 is the most significant bit of the first byte. Written: gzip in base64url without a prefix; read:
base64 and base64url, padded or not, with or without the multibase prefix.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from typing import Final

from schemas import base64url
from schemas.errors import MalformedValueError, ResourceLimitError, StatusIndexError, StatusListLengthError

MIN_BYTES: Final = 16_384
"""131,072 entries: fewer would single a holder out (Bitstring Status List v1.0 §6.1)."""

MAX_BYTES: Final = 16 * 1024 * 1024

_GZIP: Final = 31  # zlib's window bits for one gzip member, CRC checked
_URL_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]*={0,2}", re.ASCII)
_PLAIN_ALPHABET: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII)


def encode_bits(bits: bytes | bytearray) -> str:
    """Return ``bits`` as gzip (no time, no name) in base64url without padding or prefix."""
    if len(bits) < MIN_BYTES:
        raise StatusListLengthError(f"a status list has at least {MIN_BYTES} bytes, not {len(bits)}")
    compressor = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    return base64url.encode(compressor.compress(bits) + compressor.flush())


def decode_list(text: str, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the bits of an ``encodedList``, inflating no more than ``max_bytes``.

    Raises MalformedValueError (not base64, not exactly one gzip member), ResourceLimitError (longer than
    ``max_bytes``) and StatusListLengthError (shorter than 16,384 bytes).
    """
    # Bits that do not compress grow by a third in base64; anything longer cannot fit either.
    if len(text) > max_bytes * 2:
        raise ResourceLimitError(f"the status list is longer than {max_bytes} bytes")
    bits = _inflate(_from_base64(text), max_bytes)
    if len(bits) < MIN_BYTES:
        raise StatusListLengthError(f"the status list has {len(bits)} bytes; at least {MIN_BYTES} are required")
    return bits


def get(bits: bytes | bytearray, index: int) -> bool:
    """Return the bit at ``index``. Raises StatusIndexError outside the list."""
    byte, mask = _position(bits, index)
    return bool(bits[byte] & mask)


def set_bit(bits: bytearray, index: int, *, value: bool = True) -> None:
    """Set (or clear) the bit at ``index`` in place. Raises StatusIndexError outside the list."""
    byte, mask = _position(bits, index)
    bits[byte] = bits[byte] | mask if value else bits[byte] & ~mask


def _position(bits: bytes | bytearray, index: int) -> tuple[int, int]:
    if not 0 <= index < len(bits) * 8:
        raise StatusIndexError(f"index {index} is outside a status list of {len(bits) * 8} entries")
    return index // 8, 0x80 >> index % 8


def _from_base64(text: str) -> bytes:
    # gzip starts with 0x1f 0x8b, "H4s": a leading "u" can only be the multibase prefix.
    body = text.removeprefix("u")
    if _URL_ALPHABET.fullmatch(body):
        altchars = b"-_"
    elif _PLAIN_ALPHABET.fullmatch(body):
        altchars = b"+/"
    else:
        raise MalformedValueError("encodedList: neither base64url nor base64")
    digits = body.rstrip("=")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), altchars=altchars, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedValueError("encodedList: the base64 text has an impossible length") from error


def _inflate(compressed: bytes, max_bytes: int) -> bytes:
    inflater = zlib.decompressobj(_GZIP)
    try:
        bits = inflater.decompress(compressed, max_bytes + 1)
    except zlib.error as error:
        raise MalformedValueError("encodedList: not gzip, or its checksum does not hold") from error
    if len(bits) > max_bytes:
        raise ResourceLimitError(f"the status list is longer than {max_bytes} bytes")
    if not inflater.eof:
        raise MalformedValueError("encodedList: the gzip data ends early")
    if inflater.unused_data:
        raise MalformedValueError("encodedList: something follows the gzip data")
    return bits
