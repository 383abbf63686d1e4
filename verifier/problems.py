"""Errors on their way out over HTTP: one function maps each of them to an RFC 9457 problem document.

VerificationError
└── RequestError                    400
    ├── BadRequestError             400  the request is not of the form that the path takes
    ├── DisconnectedError           400  the client went away before its body was whole
    ├── UnsupportedMediaTypeError   415  the body is not declared to be JSON
    ├── RateLimitedError            429  too many requests from one address
    └── CutOffError                      the connection ends with the answer
        ├── TooSlowError            408  the body did not arrive in time
        ├── BodyTooLargeError       413  the body has more bytes than the route reads
        ├── TargetTooLongError      414  path and query are too long
        └── HeadersTooLargeError    431  too many headers, or too large
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from schemas.errors import GreenError, problem_type
from verifier.errors import VerificationError

PROBLEM_JSON: Final = "application/problem+json"
_NAMES: Final = {400: "BAD_REQUEST", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "RESOURCE_LIMIT"}
_DETAILS: Final = {
    404: "there is nothing at this path; / says what this service answers",
    405: "this path does not take that method; /openapi says which it takes",
    413: "the request is larger than what is read here",
}
_RETRY_AFTER_S: Final = 5
# The rest of the body may still come: the connection is of no more use, and is said to be.
_CLOSE: Final = {"Connection": "close"}

_log = structlog.get_logger("verifier")


class RequestError(VerificationError):
    """Root of what is wrong with a request, whatever it holds."""

    name = "BAD_REQUEST"
    title = "The request is malformed"

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that the answer needs besides the problem document."""
        return {}


class BadRequestError(RequestError):
    """The request is not of the form that this path takes."""


class DisconnectedError(RequestError):
    """The client went away, or broke its chunks off, before its body was whole."""

    name = "DISCONNECTED"
    title = "The body ended too early"


class UnsupportedMediaTypeError(RequestError):
    """The request's body is not declared to be JSON."""

    name = "UNSUPPORTED_MEDIA_TYPE"
    title = "The content type is not accepted"
    status = 415


class CutOffError(RequestError):
    """Root of what ends the connection."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The end of the connection."""
        return _CLOSE


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
        return {"Retry-After": str(self.retry_after_s)}


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A problem document, members as in RFC 9457 §3.1."""

    type: str
    title: str
    status: int
    detail: str


def problem_of(error: Exception) -> Problem:
    """Return the problem document of any error. Nothing internal leaves: what is unexpected is named 500."""
    if isinstance(error, GreenError) and error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
        return Problem(type=error.problem_type, title=error.title, status=error.status, detail=error.detail)
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        name = _NAMES.get(error.status_code, "BAD_REQUEST")
        return Problem(
            type=problem_type(name),
            title=name.replace("_", " ").capitalize(),
            status=error.status_code,
            # The framework's own words stay inside: they may quote the request.
            detail=_DETAILS.get(error.status_code, "the request cannot be served"),
        )
    return Problem(
        type=problem_type("INTERNAL_ERROR"),
        title="Internal error",
        status=500,
        detail="The service failed; the operator's log says more.",
    )


def headers_of(error: Exception) -> Mapping[str, str]:
    """Return the headers that the answer to ``error`` needs besides its content type."""
    if isinstance(error, RequestError):
        return error.headers
    if isinstance(error, GreenError) and error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": str(_RETRY_AFTER_S)}
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return {"Allow": _allowed((error.headers or {}).get("allow", ""))}
    return {}


def render(problem: Problem) -> bytes:
    """Return the bytes of a problem document."""
    return msgspec.json.encode(problem)


def to_response(request: Request[object, object, State], error: Exception) -> Response[bytes]:
    """Return the answer to any error that a route raised; what nobody expected is logged with its trace."""
    problem = problem_of(error)
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("unexpected error", path=request.url.path, kind=type(error).__name__, exc_info=error)
    headers = dict(headers_of(error))
    return Response(render(problem), status_code=problem.status, media_type=PROBLEM_JSON, headers=headers)


def _allowed(methods: str) -> str:
    """Return the methods that a path answers: the framework's, OPTIONS refused and HEAD answered (edge.py)."""
    known = {method.strip() for method in methods.split(",")} - {"", "OPTIONS"}
    return ", ".join(sorted(known | ({"HEAD"} if "GET" in known else set())))
