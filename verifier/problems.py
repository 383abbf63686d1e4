"""Errors on their way out over HTTP: one function maps each of them to an RFC 9457 problem document."""

from __future__ import annotations

from typing import Final

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
_UNAVAILABLE: Final = 503
_INTERNAL: Final = 500

_log = structlog.get_logger("verifier")


class BadRequestError(VerificationError):
    """The request is not of the form that this path takes."""

    name = "BAD_REQUEST"
    title = "The request is malformed"


class UnsupportedMediaTypeError(VerificationError):
    """The request's body is not declared to be JSON."""

    name = "UNSUPPORTED_MEDIA_TYPE"
    title = "The content type is not accepted"
    status = 415


class TooSlowError(VerificationError):
    """The request's body did not arrive in time."""

    name = "REQUEST_TIMEOUT"
    title = "The request took too long to arrive"
    status = 408


def to_response(request: Request[object, object, State], error: Exception) -> Response[dict[str, object]]:
    """Return the problem document of any error. Nothing internal leaves: what is unexpected is logged, and named 500."""
    if isinstance(error, GreenError):
        return problem(error.status, error.name, error.title, error.detail)
    if isinstance(error, HTTPException) and error.status_code < _INTERNAL:
        name = _NAMES.get(error.status_code, "BAD_REQUEST")
        # The framework's own words stay inside: they may quote the request.
        return problem(
            error.status_code,
            name,
            name.replace("_", " ").capitalize(),
            _DETAILS.get(error.status_code, "the request cannot be served"),
        )
    _log.error("unexpected error", path=request.url.path, kind=type(error).__name__, exc_info=error)
    return problem(_INTERNAL, "INTERNAL_ERROR", "Internal error", "The service failed; the operator's log says more.")


def problem(status: int, name: str, title: str, detail: str) -> Response[dict[str, object]]:
    """Return a problem document (RFC 9457 §3) as a response."""
    content: dict[str, object] = {"type": problem_type(name), "title": title, "status": status, "detail": detail}
    headers = {"Retry-After": str(_RETRY_AFTER_S)} if status == _UNAVAILABLE else {}
    return Response(content, status_code=status, media_type=PROBLEM_JSON, headers=headers)
