"""Digests on the wire: ``u`` + base64url(0x12 0x20 + SHA-256), VC 2.0 digestMultibase (FORMATS.md "Values")."""

from __future__ import annotations

import hashlib
from typing import Final

from schemas import base64url
from schemas.errors import MalformedValueError

_MULTIHASH_SHA2_256: Final = b"\x12\x20"
_SHA_256_BYTES: Final = 32


def digest(value: bytes) -> str:
    """Return the digest of ``value`` as multibase text (47 characters, first ``u``)."""
    return encode(hashlib.sha256(value).digest())


def encode(sha_256: bytes) -> str:
    """Return a raw SHA-256 (32 bytes) as multibase text."""
    if len(sha_256) != _SHA_256_BYTES:
        raise MalformedValueError("a SHA-256 has 32 bytes")
    return "u" + base64url.encode(_MULTIHASH_SHA2_256 + sha_256)


def decode(text: str) -> bytes:
    """Return the raw SHA-256 (32 bytes) of multibase text. Raises MalformedValueError for anything else."""
    if not text.startswith("u"):
        raise MalformedValueError('a digest starts with the multibase prefix "u"')
    value = base64url.decode(text[1:])
    if value[:2] != _MULTIHASH_SHA2_256 or len(value) != len(_MULTIHASH_SHA2_256) + _SHA_256_BYTES:
        raise MalformedValueError("a digest is a SHA-256 multihash (0x12 0x20 and 32 bytes)")
    return value[2:]
