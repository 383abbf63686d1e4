"""The export for a Scope 3 or ESRS report: every credential of a period as one row of CSV."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from litestar import Request, get
from litestar.response import Stream

from issuer.access import Access
from issuer.auth import caller_of
from issuer.export import csv_chunks
from issuer.http.answers import CSV
from issuer.http.documentation import Produces, documented
from issuer.http.parameters import Since, Tenant, Until
from issuer.http.query import moment_us, optional
from issuer.service import service_of
from issuer.tenant_id import TENANT_ID
from issuer.windows.export import everything


@get(
    "/api/v1/compliance/export",
    **documented(
        "Analytics",
        Access.READ,
        Produces(
            200, "text/csv", "CSV (RFC 4180), a header row first, each inference once, cells escaped for formulas."
        ),
        problems=(400,),
    ),
)
async def export(
    request: Request[Any, Any, Any], since: Since = None, until: Until = None, tenant: Tenant = None
) -> Stream:
    """Return all inferences of a period as CSV, streamed, posted ones first, then those of windows.

    An inference of a window that has no credential of its own yet has an empty credential_id. A table that is cut off
    has no last line break.
    """
    owner = caller_of(request).tenant_filter(optional(tenant, TENANT_ID, "tenant"))
    rows = everything(service_of(request).store, owner, moment_us(since, "since"), moment_us(until, "until"))
    chunks = csv_chunks(rows)
    # Before the status is sent: a database that does not answer is a problem document, not half a table.
    first = await anext(chunks)
    return Stream(
        _resumed(first, chunks),
        media_type=CSV,
        headers={"content-disposition": 'attachment; filename="green-compute-credentials.csv"'},
    )


async def _resumed(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


HANDLERS: Final = (export,)
