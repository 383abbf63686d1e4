"""The one mapping from exceptions to problem documents (RFC 9457).

A refusal shows its own detail. A fault of ours (status 500, and a signing key that fails) shows nothing of it: its
details are for the log, and the ``instance`` of the document is the request id under which the log has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from litestar.exceptions import HTTPException, ValidationException

from did.errors import SignerError
from issuer.errors import KeyMismatchError, OverloadedError
from issuer.http.errors import RequestError
from issuer.store.errors import UnwritableError
from schemas.errors import GreenError, problem_type

MEDIA_TYPE: Final = "application/problem+json"

_HTTP_NAMES: Final = {
    400: "MALFORMED_REQUEST",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "RESOURCE_LIMIT",
    415: "UNSUPPORTED_MEDIA_TYPE",
}
_HTTP_DETAILS: Final = {
    404: "there is nothing at this path; /openapi lists what there is",
    405: "this path does not answer that method; see the Allow header",
}
_RETRY_AFTER_S: Final = "2"
# Somebody has to mend a key, or a disk, first.
_RETRY_AFTER_MENDED_S: Final = "30"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A problem document, members as in RFC 9457 §3.1."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


INTERNAL: Final = (
    "INTERNAL_ERROR",
    "The issuer failed",
    500,
    "the fault is the issuer's; nothing was lost: send the same request again, or tell the operator the instance",
)

KEY_UNAVAILABLE: Final = (
    "SIGNING_KEY_UNAVAILABLE",
    "The issuer cannot use its signing key",
    503,
    "the issuer's operator has to mend it; nothing was lost: send the same request again",
)


def problem_of(error: Exception, instance: str) -> Problem:
    """Return the problem document of ``error``; ``instance`` identifies this occurrence (``urn:uuid:…``)."""
    if is_key_fault(error):
        parts = KEY_UNAVAILABLE
    elif isinstance(error, GreenError) and error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
        parts = (error.name, error.title, error.status, error.detail)
    elif isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        parts = _of_http(error)
    else:
        parts = INTERNAL
    name, title, status, detail = parts
    return Problem(type=problem_type(name), title=title, status=status, detail=detail, instance=instance)


def headers_of(error: Exception) -> Mapping[str, str]:
    """Return the headers that the answer to ``error`` needs besides its content type."""
    if isinstance(error, RequestError):
        return error.headers
    if isinstance(error, OverloadedError):
        return {"retry-after": str(error.retry_after_s)}
    if is_key_fault(error) or isinstance(error, UnwritableError):
        return {"retry-after": _RETRY_AFTER_MENDED_S}
    if isinstance(error, GreenError) and error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"retry-after": _RETRY_AFTER_S}
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return {"allow": _allowed((error.headers or {}).get("allow", ""))}
    return {}


def render(problem: Problem) -> bytes:
    """Return the bytes of a problem document."""
    return msgspec.json.encode(problem)


def is_key_fault(error: Exception) -> bool:
    """Return whether a signing key cannot be opened, does not sign, or is another one than was published.

    Nothing is issued meanwhile and nothing is lost, so it is 503 and not 500: who asks has to ask again.
    """
    return isinstance(error, SignerError | KeyMismatchError)


def is_fault(error: Exception) -> bool:
    """Return whether ``error`` is ours to mend, and so belongs in the log with its trace."""
    if isinstance(error, OverloadedError):
        # Whoever causes it must not fill the log as well.
        return False
    if isinstance(error, GreenError):
        return error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return not (isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR)


def _allowed(methods: str) -> str:
    """Return the methods that a path answers: the framework's, OPTIONS refused (auth.py), HEAD answered (edge.py)."""
    known = {method.strip() for method in methods.split(",")} - {"", "OPTIONS"}
    return ", ".join(sorted(known | ({"HEAD"} if "GET" in known else set())))


def _of_http(error: HTTPException) -> tuple[str, str, int, str]:
    status = error.status_code
    name = _HTTP_NAMES.get(status, "REQUEST_REFUSED")
    if isinstance(error, ValidationException):
        return "MALFORMED_VALUE_ERROR", "A parameter is malformed", status, _parameters(error)
    detail = _HTTP_DETAILS.get(status, "the request cannot be read")
    if status == HTTPStatus.METHOD_NOT_ALLOWED and (methods := headers_of(error).get("allow")):
        detail = f"this path answers {methods}, no other method"
    return name, HTTPStatus(status).phrase, status, detail


def _parameters(error: ValidationException) -> str:
    # The framework's text may repeat what was sent; its list of keys is ours.
    findings = error.extra if isinstance(error.extra, list) else []
    named = [
        f"{finding['key']}: {str(finding.get('message', 'malformed'))[:200]}"
        for finding in findings
        if isinstance(finding, dict) and "key" in finding
    ]
    return "; ".join(named) or "a parameter of the query is missing or malformed"
