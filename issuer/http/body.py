"""The two kinds of bodies that the issuer reads, each within its deadline and up to a cap; parsing is the caller's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from issuer.windows.compression import Coding
from verifier.http.body import AnyRequest, check_media_type, content_coding, read_body, read_json_body

_CODINGS: Final[Mapping[str, Coding]] = {"identity": "identity", "gzip": "gzip", "zstd": "zstd"}


async def read_json(request: AnyRequest, *, max_bytes: int, timeout_s: float) -> bytes:
    """Return the raw body of a request that says it is JSON. Raises as read_json_body."""
    return await read_json_body(request, max_bytes=max_bytes, deadline_s=timeout_s, types=("application/json",))


async def read_lines(request: AnyRequest, *, max_bytes: int, timeout_s: float) -> tuple[bytes, Coding]:
    """Return the raw body of a request that says it is JSON lines, and its coding; inflating is the caller's.

    Raises as read_json; ``max_bytes`` is what is received, compressed or not.
    """
    check_media_type(request, ("application/x-ndjson",))
    coding = _CODINGS[content_coding(request, ("gzip", "zstd"))]
    return await read_body(request, max_bytes=max_bytes, deadline_s=timeout_s), coding
