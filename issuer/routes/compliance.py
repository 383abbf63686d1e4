"""The export for a Scope 3 or ESRS report: every credential of a period as one row of CSV."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, get
from litestar.response import Stream

from issuer.access import Access
from issuer.auth import caller_of
from issuer.export import csv_chunks
from issuer.http.answers import CSV
from issuer.http.documentation import Produces, documented
from issuer.http.parameters import Since, Tenant, Until
from issuer.http.query import TENANT_ID, moment_us, optional
from issuer.service import service_of


@get(
    "/api/v1/compliance/export",
    **documented(
        "Analytics",
        Access.READ,
        Produces(
            200, "text/csv", "CSV (RFC 4180), a header row first, oldest period first, cells escaped for formulas."
        ),
        problems=(400,),
    ),
)
async def export(
    request: Request[Any, Any, Any], since: Since = None, until: Until = None, tenant: Tenant = None
) -> Stream:
    """Return all credentials of a period as CSV, streamed. One that is cut off has no last line break."""
    owner = caller_of(request).tenant_filter(optional(tenant, TENANT_ID, "tenant"))
    rows = service_of(request).store.credentials.export(owner, moment_us(since, "since"), moment_us(until, "until"))
    return Stream(
        csv_chunks(rows),
        media_type=CSV,
        headers={"content-disposition": 'attachment; filename="green-compute-credentials.csv"'},
    )


HANDLERS: Final = (export,)
