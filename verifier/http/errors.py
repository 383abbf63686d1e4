"""The errors of a request that is refused for its form or its rate, whatever it holds.

GreenError
└── RequestError                    400
    ├── BadRequestError             400  the request is not of the form that the path takes
    ├── ParameterError              400  a parameter of path or query is not known, or breaks its lexical rule
    ├── DisconnectedError           400  the client went away before its body was whole
    ├── UnsupportedMediaTypeError   415  another content type or coding than the route reads
    ├── RateLimitedError            429  too many requests of one address, key or node
    └── CutOffError                      the connection ends with the answer
        ├── TooSlowError            408  the body did not arrive in time
        ├── BodyTooLargeError       413  the body has more bytes than the route reads
        ├── TargetTooLongError      414  path and query are too long
        └── HeadersTooLargeError    431  too many headers, or too large
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from schemas.errors import GreenError

_PLAIN: Final = re.compile(r"[A-Za-z0-9_@.:$-]{1,40}", re.ASCII)


def quoted(name: str) -> str:
    """Return a name that a stranger chose, for an error to repeat; where it is no plain word, that it is none."""
    return f'"{name}"' if _PLAIN.fullmatch(name) else "one whose name is no plain word"


class RequestError(GreenError):
    """Root of what is wrong with a request, whatever it holds."""

    name = "BAD_REQUEST"
    title = "The request is malformed"

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that the answer needs besides the problem document, their names in lower case."""
        return {}


class BadRequestError(RequestError):
    """The request is not of the form that this path takes."""


class ParameterError(RequestError):
    """A parameter of the path or the query is not known here, stands twice, or breaks its lexical rule."""

    name = "MALFORMED_VALUE_ERROR"
    title = "A parameter is malformed"


class DisconnectedError(RequestError):
    """The client went away, or broke its chunks off, before its body was whole."""

    name = "DISCONNECTED"
    title = "The body ended too early"


class UnsupportedMediaTypeError(RequestError):
    """The body's content type, character set or content coding is not one that the route reads."""

    name = "UNSUPPORTED_MEDIA_TYPE"
    title = "The content type is not accepted"
    status = 415


class RateLimitedError(RequestError):
    """Too many requests. ``retry_after_s`` says after how many whole seconds the next one is taken."""

    name = "RATE_LIMITED"
    title = "Too many requests"
    status = 429

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        """Keep how long to wait, in seconds."""
        super().__init__(detail)
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> Mapping[str, str]:
        """Retry-After (RFC 9110 §10.2.3), in seconds."""
        return {"retry-after": str(self.retry_after_s)}


class CutOffError(RequestError):
    """Root of what ends the connection."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The end of the connection, said: the rest of the request may still come, and the next one went down with it."""
        return {"connection": "close"}


class TooSlowError(CutOffError):
    """The request's body did not arrive in time."""

    name = "REQUEST_TIMEOUT"
    title = "The request took too long to arrive"
    status = 408


class BodyTooLargeError(CutOffError):
    """The request's body is larger than this path reads."""

    name = "RESOURCE_LIMIT"
    title = "The request body is too large"
    status = 413


class TargetTooLongError(CutOffError):
    """Path and query together are longer than what is read."""

    name = "RESOURCE_LIMIT"
    title = "The request target is too long"
    status = 414


class HeadersTooLargeError(CutOffError):
    """The request has too many headers, or too many bytes of them."""

    name = "RESOURCE_LIMIT"
    title = "The request headers are too large"
    status = 431
