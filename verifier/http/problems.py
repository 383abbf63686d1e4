"""From an exception to a problem document (RFC 9457): one mapping, in which each service has some words of its own.

A refusal shows its own detail. A fault of ours (status 500) shows nothing of it: its details are for the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import HTTPScope

from schemas.errors import GreenError, problem_type
from verifier.http.errors import RequestError

PROBLEM_JSON: Final = "application/problem+json"

_NAMES: Final = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "RESOURCE_LIMIT", 415: "UNSUPPORTED_MEDIA_TYPE"}


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem document, members as in RFC 9457 §3.1."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """What one service says: where nothing is found, where it failed, and of a request that the framework refuses.

    ``names``: problem names by the error's own name, where this service has published another one.
    """

    malformed: str
    refused: str
    nothing_here: str
    failed_title: str
    failed_detail: str
    names: Mapping[str, str] = {}


def problem_of(error: Exception, words: Words, instance: str | None = None) -> Problem:
    """Return the problem document of any error; ``instance`` identifies this occurrence (``urn:uuid:…``)."""
    if isinstance(error, GreenError) and error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
        parts = (words.names.get(error.name, error.name), error.title, error.status, error.detail)
    elif isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        parts = _of_http(error, words)
    else:
        parts = ("INTERNAL_ERROR", words.failed_title, int(HTTPStatus.INTERNAL_SERVER_ERROR), words.failed_detail)
    name, title, status, detail = parts
    return Problem(type=problem_type(name), title=title, status=status, detail=detail, instance=instance)


def instance_of(scope: HTTPScope) -> str:
    """Return what identifies the occurrence: the id that the edge gave to the request."""
    return f"urn:uuid:{scope['state'].get('request_id', '')}"


def headers_of(error: Exception, *, retry_after_s: int) -> Mapping[str, str]:
    """Return the headers that the answer to ``error`` needs besides its content type, their names in lower case.

    ``retry_after_s``: when to come back where the error is one that passes (503).
    """
    if isinstance(error, RequestError):
        return error.headers
    if isinstance(error, GreenError) and error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"retry-after": str(retry_after_s)}
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return {"allow": _allowed(error)}
    return {}


def render(problem: Problem) -> bytes:
    """Return the bytes of a problem document."""
    return msgspec.json.encode(problem)


def answer(problem: Problem, headers: Mapping[str, str]) -> Response[bytes]:
    """Return the answer that carries a problem document."""
    return Response(render(problem), status_code=problem.status, media_type=PROBLEM_JSON, headers=dict(headers))


def _of_http(error: HTTPException, words: Words) -> tuple[str, str, int, str]:
    """Return name, title, status and detail; the framework's own words stay inside: they may quote the request."""
    status = error.status_code
    if isinstance(error, ValidationException):
        return "MALFORMED_VALUE_ERROR", "A parameter is malformed", status, _parameters(error)
    name = words.malformed if status == HTTPStatus.BAD_REQUEST else _NAMES.get(status, words.refused)
    details = {
        404: words.nothing_here,
        405: f"this path answers {_allowed(error) or 'other methods'} only",
        413: "the request is larger than what is read here",
    }
    return name, HTTPStatus(status).phrase, status, details.get(status, "the request cannot be read")


def _allowed(error: HTTPException) -> str:
    """Return the methods that a path answers: the framework's, OPTIONS refused and HEAD answered (edge.py)."""
    methods = (error.headers or {}).get("allow", "")
    known = {method.strip() for method in methods.split(",")} - {"", "OPTIONS"}
    return ", ".join(sorted(known | ({"HEAD"} if "GET" in known else set())))


def _parameters(error: ValidationException) -> str:
    # The framework's text may repeat what was sent; its list of keys is ours.
    findings = error.extra if isinstance(error.extra, list) else []
    named = [
        f"{finding['key']}: {str(finding.get('message', 'malformed'))[:200]}"
        for finding in findings
        if isinstance(finding, dict) and "key" in finding
    ]
    return "; ".join(named) or "a parameter of the query is missing or malformed"
