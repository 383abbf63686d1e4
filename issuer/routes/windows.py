"""A node posts a window of telemetry and gets its credential's name; nonces; windows shown to their tenant."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.params import FromPath

from issuer.access import Access
from issuer.auth import caller_of
from issuer.http.answers import JSON, NDJSON, json_answer, names_or_null
from issuer.http.body import read_json, read_lines
from issuer.http.documentation import Consumes, Produces, documented
from issuer.http.parameters import Tenant
from issuer.http.query import checked, optional
from issuer.refusals import counted, take_repeat, weighed
from issuer.service import service_of
from issuer.store.errors import NotFoundError
from issuer.tenant_id import TENANT_ID
from issuer.windows import nonces
from issuer.windows.intake import MAX_NONCES, IssuedWindow
from issuer.windows.request import MAX_BYTES
from issuer.windows.view import window_view
from schemas.lexical import BOOT_EPOCH, INTEGER
from schemas.strict_json import JsonObject
from schemas.telemetry import NODE_ID

_NONCES_EXAMPLE: Final[JsonObject] = {
    "node_id": "node-7",
    "timestamp": "2026-11-20T20:01:04.25Z",
    "signature": "4U2xlEEm6Eef2XEyhkKHpmYibR_jXqKNEea5eM08qMe-4c52MwYuKNWaKLQXjOv_Rxowvrof7-Ru4VmkLiWTYQ",
}
_WINDOW_EXAMPLE: Final = '{"evidence":{"jws":"eyJhbGciOiJFUzI1NiIs…"}}\n{"accelerator_active_mj":2624401,…}\n'


@post(
    "/api/v1/windows",
    **documented(
        "Telemetry",
        Access.NODE_SIGNATURE,
        Produces(201, JSON, "The window is taken; its credential is issued.", schema="WindowTaken"),
        Produces(200, JSON, "This very window was taken before.", schema="WindowTaken"),
        reads=Consumes(
            "WindowRequest",
            "JSON lines, Content-Encoding gzip, zstd or none: first the evidence, then each record in its JCS bytes.",
            _WINDOW_EXAMPLE,
            NDJSON,
        ),
        problems=(401, 403, 404, 409, 422, 429),
    ),
)
async def window(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Take a window that the node's key has signed, issue its credential, and hand out nonces for the next ones.

    The same window again, however late, gets the same answer; another one in its place is 409. The signature is the
    authentication, and the limit is the node's own; a repeat counts for the client's address, since whoever has the
    window's credential can send one.
    """
    service = service_of(request)
    with counted(request):
        body, coding = await read_lines(request, max_bytes=MAX_BYTES, timeout_s=service.settings.body_timeout_s)
        accepted = await service.issuance.windows.accept(body, coding)
    if isinstance(accepted, IssuedWindow):
        take_repeat(request)
        issued = accepted
    elif await service.issuance.windows.was_taken(accepted):
        take_repeat(request)
        issued = await service.issuance.windows.issue(accepted)
    else:
        service.limits.nodes.take(accepted.node.id)
        with weighed(request, accepted.node.id):
            issued = await service.issuance.windows.issue(accepted)
    url = service.addresses.credential(issued.credential_id)
    # Whoever repeats a window may be a stranger, whom the node's customers do not concern.
    told: JsonObject = {"tenants": names_or_null(issued.tenants)} if issued.created else {}
    return json_answer(
        {"window": issued.digest, "credential": url, "nonces": [*issued.nonces], **told},
        HTTPStatus.CREATED if issued.created else HTTPStatus.OK,
        {"location": url},
    )


@post(
    "/api/v1/nonces",
    **documented(
        "Telemetry",
        Access.NODE_SIGNATURE,
        Produces(201, JSON, "Nonces, each good for one window; none where enough are unused.", schema="Nonces"),
        reads=Consumes("NonceRequest", "Signed by the node's software key (docs/protocol.md).", _NONCES_EXAMPLE),
        problems=(401, 403, 422, 429),
    ),
)
async def more_nonces(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Hand out nonces ahead of time, each for one window that ends within the hour."""
    service = service_of(request)
    with counted(request):
        raw = await read_json(request, max_bytes=4096, timeout_s=service.settings.body_timeout_s)
        asked = nonces.parse(raw)
        node = nonces.check(asked, await service.store.nodes.get(asked.node_id), service.clock.now())
    service.limits.nodes.take(asked.node_id)
    given = await service.issuance.windows.give_nonces(asked.node_id, MAX_NONCES)
    names = await service.issuance.windows.tenant_names(node)
    return json_answer({"nonces": [*given], "tenants": names_or_null(names)}, HTTPStatus.CREATED)


@get(
    "/api/v1/windows/{node_id:str}/{epoch:str}/{sequence:str}",
    **documented(
        "Telemetry",
        Access.READ,
        Produces(200, JSON, "The window's header, and what was told of it.", schema="Window"),
        problems=(400, 404),
    ),
)
async def show_window(
    request: Request[Any, Any, Any],
    node_id: FromPath[str],
    epoch: FromPath[str],
    sequence: FromPath[str],
    tenant: Tenant = None,
) -> Response[bytes]:
    """Return one window of a node of the key's tenant."""
    service = service_of(request)
    owner = caller_of(request).tenant_filter(optional(tenant, TENANT_ID, "tenant"))
    checked(node_id, NODE_ID, "node_id")
    checked(epoch, BOOT_EPOCH, "epoch")
    checked(sequence, INTEGER, "sequence")
    number = int(sequence[:17])
    found = await service.store.windows.find(node_id, epoch, number)
    if found is None or owner not in (None, found.tenant_id):
        raise NotFoundError("there is no such window here")
    credential_id = await service.store.windows.credential_id(found.id)
    issued = None if credential_id is None else await service.store.status.entry(credential_id, tenant_id=None)
    return json_answer(window_view(found, issued, service.addresses))


HANDLERS: Final = (window, more_nonces, show_window)
