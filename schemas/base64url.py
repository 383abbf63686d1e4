"""base64url without padding (RFC 4648 §5, RFC 7515 §2), one spelling for each value."""

from __future__ import annotations

import base64
import binascii
import re

from schemas.errors import MalformedValueError

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


def encode(value: bytes) -> str:
    """Return ``value`` in base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Return the bytes of unpadded base64url.

    Raises MalformedValueError for padding, characters outside the alphabet, an impossible
    length, or non-zero trailing bits: two texts must never decode to the same bytes.
    """
    if not _ALPHABET.fullmatch(text) or len(text) % 4 == 1:
        raise MalformedValueError("base64url without padding is required")
    try:
        value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise MalformedValueError("base64url cannot be decoded") from error
    if encode(value) != text:
        raise MalformedValueError("base64url has non-zero trailing bits")
    return value
