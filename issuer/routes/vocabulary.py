"""Copies of our JSON-LD context and JSON Schemas, the bytes that credentials are pinned to."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, Response, get
from litestar.params import FromPath

from contexts import green_compute
from issuer.access import Access
from issuer.http.answers import LD_JSON, cached_answer
from issuer.http.documentation import NOT_MODIFIED, Produces, documented
from issuer.store.errors import NotFoundError
from schemas import json_schema

SCHEMA_JSON: Final = "application/schema+json"
# Bytes that never change may be kept, but a copy at this issuer should not outlive a corrected release for long.
_CACHE_CONTROL: Final = "public, max-age=86400"

_SCHEMAS: Final = tuple(f"{name}.json" for name in json_schema.SCHEMA_URLS)


@get(
    "/contexts/v1",
    **documented(
        "Vocabulary", Access.PUBLIC, Produces(200, LD_JSON, "The JSON-LD context of our terms."), NOT_MODIFIED
    ),
)
async def context(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return the JSON-LD context that credentials carry inline, or name by its URL."""
    return cached_answer(request, green_compute.DOCUMENT, LD_JSON, cache_control=_CACHE_CONTROL)


@get(
    "/schemas/{name:str}",
    **documented(
        "Vocabulary",
        Access.PUBLIC,
        Produces(200, SCHEMA_JSON, "A JSON Schema (draft 2020-12)."),
        NOT_MODIFIED,
        problems=(404,),
    ),
)
async def schema(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """Return one of our JSON Schemas by its file name, such as `credential-v1.json`."""
    if name not in _SCHEMAS:
        raise NotFoundError(f"there is no such schema; there are {', '.join(sorted(_SCHEMAS))}")
    body = json_schema.schema_bytes(name.removesuffix(".json"))
    return cached_answer(request, body, SCHEMA_JSON, cache_control=_CACHE_CONTROL)


HANDLERS: Final = (context, schema)
