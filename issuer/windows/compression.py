"""The codings of a window's request, unpacked within bounds: one gzip member (RFC 1952), one zstd frame (RFC 8878). Pure.

Whatever a header says of sizes is not believed: what is unpacked is counted, and no more than asked for is kept. The
one file that imports a zstd library.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Mapping
from typing import Final, Literal, Protocol

from issuer.errors import WindowBodyError, WindowTooLargeError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Coding = Literal["identity", "gzip", "zstd"]

MAX_INFLATED_BYTES: Final = 64 * 1024 * 1024

_GZIP: Final = 31
_STORED_LEVEL: Final = 1
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
# RFC 9659 §3: as a content coding, a frame needs a window of 8 MB at most. More is memory that a stranger asks for.
_ZSTD_OPTIONS: Final[Mapping[int, int]] = {zstd.DecompressionParameter.window_log_max: 23}
_NAMES: Final = {"gzip": "gzip member (RFC 1952)", "zstd": "zstd frame (RFC 8878)"}


class _Inflater(Protocol):
    """What zlib and zstd share."""

    @property
    def eof(self) -> bool:
        """Whether the end was reached, its checksum found right."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What follows the end."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return at most so many bytes."""
        ...


def inflate(body: bytes, coding: Coding) -> bytes:
    """Return what a request holds, at most 64 MB. Raises WindowBodyError, WindowTooLargeError."""
    if coding == "identity":
        return body
    inflater = _inflater(body, coding)
    content = _inflated(inflater, body, coding, MAX_INFLATED_BYTES + 1)
    if len(content) > MAX_INFLATED_BYTES:
        raise WindowTooLargeError(f"the body inflates to more than {MAX_INFLATED_BYTES} bytes")
    if not inflater.eof or inflater.unused_data:
        raise WindowBodyError(f"the body is not exactly one {_NAMES[coding]}: it was cut, or something follows")
    return content


def begin(body: bytes, coding: Coding, max_bytes: int) -> bytes:
    """Return the first bytes that a request holds, ``max_bytes`` at most. Raises WindowBodyError."""
    if coding == "identity":
        return body[:max_bytes]
    return _inflated(_inflater(body, coding), body, coding, max_bytes)


def stored(body: bytes, coding: Coding) -> bytes:
    """Return a request as it is kept: as it came, in gzip where it came without a coding."""
    return _gzip(body) if coding == "identity" else body


def unpacked(kept: bytes) -> bytes:
    """Return what a request holds that was kept by ``stored``; raises as inflate."""
    return inflate(kept, _coding_of(kept))


def in_gzip(kept: bytes) -> bytes:
    """Return a request that was kept by ``stored`` in gzip, which everybody reads; raises as inflate."""
    return kept if _coding_of(kept) == "gzip" else _gzip(unpacked(kept))


def _coding_of(kept: bytes) -> Coding:
    return "zstd" if kept.startswith(_ZSTD_MAGIC) else "gzip"


def _inflater(body: bytes, coding: Coding) -> _Inflater:
    if coding == "gzip":
        return zlib.decompressobj(_GZIP)
    if not body.startswith(_ZSTD_MAGIC):
        # The library would pass over a skippable frame.
        raise WindowBodyError(f"the body is not a {_NAMES[coding]}")
    return zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)


def _inflated(inflater: _Inflater, body: bytes, coding: Coding, max_bytes: int) -> bytes:
    try:
        return inflater.decompress(body, max_bytes)
    except zlib.error as error:
        raise WindowBodyError(f"the body is not a {_NAMES[coding]}") from error
    except zstd.ZstdError as error:
        raise WindowBodyError(
            f"the body is not a {_NAMES[coding]}, or one with a dictionary or a window above 8 MB; send it without, "
            "or in gzip"
        ) from error


def _gzip(content: bytes) -> bytes:
    compressor = zlib.compressobj(_STORED_LEVEL, zlib.DEFLATED, _GZIP)
    return compressor.compress(content) + compressor.flush()
