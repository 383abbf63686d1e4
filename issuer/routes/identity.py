"""The DID documents of the issuers (did:web): public, computed from the keys that are published now."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath

from issuer.access import Access
from issuer.http.answers import cached_answer
from issuer.http.documentation import NOT_MODIFIED, Produces, documented
from issuer.http.query import SLUG
from issuer.service import service_of
from issuer.store.errors import NotFoundError
from issuer.store.records import ROOT_SLUG

DID_JSON: Final = "application/did+json"
# A new key signs from the moment of its rotation, so a cache has to ask each time; the ETag makes that cheap.
_CACHE_CONTROL: Final = "public, no-cache"

_DID_DOCUMENT: Final = Produces(200, DID_JSON, "The DID document (DID Core §5), retired keys included.")


@get("/.well-known/did.json", **documented("Identity", Access.PUBLIC, _DID_DOCUMENT, NOT_MODIFIED))
async def root_did_document(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return the DID document of this service's own identity, `did:web:<host>`."""
    return await _document(request, ROOT_SLUG)


@get(
    "/issuers/{slug:str}/did.json",
    **documented("Identity", Access.PUBLIC, _DID_DOCUMENT, NOT_MODIFIED, problems=(404,)),
)
async def issuer_did_document(request: Request[Any, Any, Any], slug: FromPath[str]) -> Response[bytes]:
    """Return the DID document of one of several issuers, `did:web:<host>:issuers:<slug>`."""
    if not SLUG.fullmatch(slug) or slug == ROOT_SLUG:
        raise NotFoundError("there is no issuer of this name here")
    return await _document(request, slug)


async def _document(request: Request[Any, Any, Any], slug: str) -> Response[bytes]:
    document = await service_of(request).keyring.document(slug)
    return cached_answer(request, msgspec.json.encode(document), DID_JSON, cache_control=_CACHE_CONTROL)


HANDLERS: Final = (root_did_document, issuer_did_document)
