"""Status lists as they are kept: compressed, of a bounded size, under a name of fixed length."""

from __future__ import annotations

import hashlib
import zlib
from typing import Final

import msgspec

from verifier.evidence import KnownList
from verifier.status_lists.superseding import MAX_LIST_BYTES

MAX_PACKED_BYTES: Final = 256 * 1024
"""Of one list, compressed. A list of a million entries has a tenth of it, unless thousands of them are set."""

_MAX_UNPACKED_BYTES: Final = MAX_LIST_BYTES + 64 * 1024

# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
_LISTS: Final = msgspec.msgpack.Decoder(KnownList)


def pack(listed: KnownList) -> bytes | None:
    """Return a list as it is kept, None where it is too large to be."""
    content = zlib.compress(msgspec.msgpack.encode(listed))
    return content if len(content) <= MAX_PACKED_BYTES else None


def unpack(content: bytes) -> KnownList:
    """Return the list that was packed. Raises zlib.error, msgspec.MsgspecError, UnicodeDecodeError."""
    packed = zlib.decompressobj()
    raw = packed.decompress(content, _MAX_UNPACKED_BYTES)
    if not packed.eof:
        raise zlib.error("the end is missing")
    return _LISTS.decode(raw)


def key_of(name: str) -> str:
    """Return the key of a list under its name (64 hexadecimal digits), which a stranger chose."""
    return hashlib.sha256(name.encode()).hexdigest()
