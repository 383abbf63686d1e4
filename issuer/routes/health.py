"""Whether the service can do its work, for load balancers; and the interface described for programs."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, Response, get

from issuer.access import Access
from issuer.http.answers import JSON, cached_answer, json_answer
from issuer.http.documentation import NOT_MODIFIED, Produces, documented
from issuer.service import service_of

OPENAPI_JSON: Final = "application/vnd.oai.openapi+json"


@get("/healthz", **documented("Service", Access.PUBLIC, Produces(200, JSON, "The database answers.", schema="Health")))
async def health(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return 200 while the database answers, else 503. Nothing else is told."""
    await service_of(request).store.health()
    return json_answer({"status": "ok"})


@get(
    "/openapi",
    **documented("Service", Access.PUBLIC, Produces(200, OPENAPI_JSON, "This interface, OpenAPI 3.1."), NOT_MODIFIED),
)
async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return the description of this interface (OpenAPI 3.1)."""
    document: bytes = request.app.state["openapi"]
    return cached_answer(request, document, OPENAPI_JSON, cache_control="public, max-age=300")


HANDLERS: Final = (health, openapi)
