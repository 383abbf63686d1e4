"""Whether a request can be read in two ways: what proxies and servers disagree on is how requests are smuggled.

Pure. RFC 9112 §6. The server may have settled some of it before we see the request: granian takes the length away
where there are chunks too, and closes the connection after the answer.
"""

from __future__ import annotations

from collections.abc import Iterable


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
