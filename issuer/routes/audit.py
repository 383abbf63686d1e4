"""A node's windows for an auditor: whole, as the node sent them, page by page."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, Response, get
from litestar.params import FromPath

from issuer.access import Access
from issuer.auth import caller_of
from issuer.http.answers import JSON, bytes_answer
from issuer.http.documentation import Produces, documented
from issuer.http.parameters import Cursor, Limit, Since, Tenant, Until
from issuer.http.query import checked, moment_us, optional
from issuer.service import service_of
from issuer.tenant_id import TENANT_ID
from issuer.windows import audit
from schemas.telemetry import NODE_ID


@get(
    "/api/v1/windows/{node_id:str}",
    **documented(
        "Telemetry",
        Access.READ,
        Produces(
            200, JSON, "`items`, oldest first, and `next_cursor`, null on the last page.", schema="WindowsForAudit"
        ),
        problems=(400, 404),
    ),
)
async def windows_of_node(
    request: Request[Any, Any, Any],
    *,
    node_id: FromPath[str],
    limit: Limit = 100,
    cursor: Cursor = None,
    since: Since = None,
    until: Until = None,
    tenant: Tenant = None,
) -> Response[bytes]:
    """Return a page of a node's windows with all that an audit needs of them: request, credential, nonce.

    A key of every tenant sees all of them. A tenant's key is answered 403 where a window of the page has records that
    are not its own: they would be open to it. green-verifier audit-bundle make --from-issuer reads these pages.
    """
    service, owner = service_of(request), caller_of(request).tenant_filter(optional(tenant, TENANT_ID, "tenant"))
    checked(node_id, NODE_ID, "node_id")
    body = await audit.page(
        service.store,
        node_id,
        owner,
        since_us=moment_us(since, "since"),
        until_us=moment_us(until, "until"),
        cursor=cursor,
        limit=limit,
    )
    return bytes_answer(body, JSON)


HANDLERS: Final = (windows_of_node,)
