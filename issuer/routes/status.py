"""The signed status lists: public, and cached no longer than a revocation may stay unseen."""

from __future__ import annotations

import re
from typing import Any, Final

from litestar import Request, Response, get
from litestar.params import FromPath

from issuer.access import Access
from issuer.http.answers import LD_JSON, cached_answer
from issuer.http.documentation import NOT_MODIFIED, Produces, documented
from issuer.service import service_of
from issuer.store.errors import NotFoundError
from issuer.store.records import Purpose

_LIST_ID: Final = re.compile(r"[0-9a-z]{1,64}", re.ASCII)

_LIST: Final = Produces(200, LD_JSON, "A StatusList2021Credential, itself signed; one bit for each credential.")


@get("/status/revocation/{list_id:str}", **documented("Status", Access.PUBLIC, _LIST, NOT_MODIFIED, problems=(404,)))
async def revocation_list(request: Request[Any, Any, Any], list_id: FromPath[str]) -> Response[bytes]:
    """Return the list in which a set bit means that the credential of that index is revoked, for good."""
    return await _status_list(request, "revocation", list_id)


@get("/status/suspension/{list_id:str}", **documented("Status", Access.PUBLIC, _LIST, NOT_MODIFIED, problems=(404,)))
async def suspension_list(request: Request[Any, Any, Any], list_id: FromPath[str]) -> Response[bytes]:
    """Return the list in which a set bit means that the credential of that index is suspended."""
    return await _status_list(request, "suspension", list_id)


async def _status_list(request: Request[Any, Any, Any], purpose: Purpose, list_id: str) -> Response[bytes]:
    if not _LIST_ID.fullmatch(list_id):
        raise NotFoundError("there is no such status list")
    service = service_of(request)
    document = await service.status_lists.credential(purpose, list_id)
    cache_control = f"public, max-age={service.settings.status_max_age_s}, must-revalidate"
    return cached_answer(request, document, LD_JSON, cache_control=cache_control)


HANDLERS: Final = (revocation_list, suspension_list)
