"""Which headers a proxy passes on (RFC 9110 §7.6.1). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

Headers: TypeAlias = "list[tuple[bytes, bytes]]"

MEASURED_PATHS: Final = frozenset(
    {b"/v1/completions", b"/v1/chat/completions", b"/v1/embeddings", b"/v1/responses"},
)
VIA: Final = b"1.1 green-agent"
ENERGY_PREFIX: Final = b"x-energy-"

_OF_ONE_CONNECTION: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# The message is framed anew for the other side.
_FRAMING: Final = frozenset({b"content-length", b"host", b"expect"})


def is_measured(method: bytes, target: bytes) -> bool:
    """Return whether a request is work: the backend reads %63 as c, so the path is compared decoded."""
    path = unquote_to_bytes(target.partition(b"?")[0])
    return method == b"POST" and (path.rstrip(b"/") or b"/") in MEASURED_PATHS


def values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """Return the values of a header, whose name is given in lower case."""
    return [value for given, value in headers if given.lower() == name]


def tokens(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> set[bytes]:
    """Return the members of a header that is a list, in lower case, without parameters."""
    parts = b",".join(values(headers, name)).lower().split(b",")
    return {part.partition(b";")[0].strip() for part in parts} - {b""}


def request_headers(given: Sequence[tuple[bytes, bytes]], authority: str, *, readable: bool) -> Headers:
    """Return the headers that the backend gets.

    ``readable``: its answer is to be read here, so no coding is asked for.
    """
    dropped = _OF_ONE_CONNECTION | _FRAMING | tokens(given, b"connection")
    if readable:
        dropped |= {b"accept-encoding"}
    kept = [(name, value) for name, value in given if name.lower() not in dropped]
    more: Headers = [(b"accept-encoding", b"identity")] if readable else []
    return [(b"host", authority.encode("ascii")), *kept, *more, (b"via", VIA)]


def answer_headers(given: Sequence[tuple[bytes, bytes]], *, measured: bool) -> Headers:
    """Return the headers that the client gets, without the length.

    Of a measured answer nobody but this proxy says what it used.
    """
    dropped = _OF_ONE_CONNECTION | {b"content-length"} | tokens(given, b"connection")
    return [
        (name, value)
        for name, value in given
        if name.lower() not in dropped and not (measured and name.lower().startswith(ENERGY_PREFIX))
    ]


def comes_round(given: Sequence[tuple[bytes, bytes]]) -> bool:
    """Return whether a request was here before: the backend is this proxy, or leads back to it."""
    # Another proxy of ours may stand in the way once, as in front of a router.
    return b",".join(values(given, b"via")).count(VIA) > 1
