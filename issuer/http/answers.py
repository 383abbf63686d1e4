"""Answers: bytes with their media type, told whether the client has them already (RFC 9110 §13)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response

from schemas import base64url
from schemas.strict_json import Json

JSON: Final = "application/json"
LD_JSON: Final = "application/ld+json"
JOSE: Final = "application/jose"
CMW_JSON: Final = "application/cmw+json"
NDJSON: Final = "application/x-ndjson"
# The framework adds the charset to text.
CSV: Final = "text/csv"

IMMUTABLE: Final = "public, max-age=31536000, immutable"


def json_answer(value: Json, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """Return ``value`` as a JSON document."""
    return Response(msgspec.json.encode(value), status_code=int(status), media_type=JSON, headers=dict(headers or {}))


def names_or_null(names: Sequence[str] | None) -> Json:
    """Return names as JSON has them; null for None."""
    return None if names is None else [*names]


def bytes_answer(
    body: bytes, media_type: str, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    """Return ``body`` as it is."""
    return Response(body, status_code=int(status), media_type=media_type, headers=dict(headers or {}))


def cached_answer(
    request: Request[Any, Any, Any], body: bytes, media_type: str, *, cache_control: str
) -> Response[bytes]:
    """Return ``body`` with an ETag of its content, or 304 Not Modified where the client has it already."""
    tag = f'"{base64url.encode(hashlib.sha256(body).digest())}"'
    headers = {"etag": tag, "cache-control": cache_control}
    if tag in _tags(request.headers.getall("if-none-match", [])):
        return Response(b"", status_code=int(HTTPStatus.NOT_MODIFIED), media_type=media_type, headers=headers)
    return Response(body, status_code=int(HTTPStatus.OK), media_type=media_type, headers=headers)


def _tags(values: list[str]) -> set[str]:
    # If-None-Match compares weakly (RFC 9110 §13.1.2): a proxy may have marked our tag with W/.
    return {tag.strip().removeprefix("W/") for value in values for tag in value.split(",")}
