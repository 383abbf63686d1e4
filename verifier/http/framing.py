"""Whether a request can be read in two ways: what proxies and servers disagree on is how requests are smuggled.

Pure. RFC 9112 §6. The server may have settled some of it before we see the request: granian takes the length away
where there are chunks too, and closes the connection after the answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

SEND_TIMEOUT_S: Final = 30.0
"""How long one part of an answer may wait for a reader, in seconds, before the work on it ends."""


def why_no_path(path: str) -> str | None:
    """Return why a request target is not a path, None where it is one.

    CONNECT has a host for its target, OPTIONS may have ``*`` (RFC 9112 §3.2.3, §3.2.4). Of an absolute URL as target the
    server hands on the path alone.
    """
    return None if path.startswith("/") else "the request target is not a path; this is no proxy"


def why_ambiguous(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return what is ambiguous about where the body ends, None where nothing is. Header names in any case."""
    codings: list[bytes] = []
    lengths: list[bytes] = []
    for name, value in headers:
        if name.lower() == b"transfer-encoding":
            codings.append(value.strip().lower())
        elif name.lower() == b"content-length":
            lengths.append(value.strip())
    if codings and lengths:
        return "Content-Length and Transfer-Encoding contradict each other; send one of them"
    if codings and codings != [b"chunked"]:
        return "Transfer-Encoding may be chunked, once, and nothing else"
    if len(lengths) > 1:
        return "Content-Length may stand only once"
    return None
