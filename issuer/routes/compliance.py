"""The exports for a Scope 3 or ESRS report: every credential of a period as one row of CSV, or their sums by slots of time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final, TypeVar

from litestar import Request, get
from litestar.response import Stream

from issuer.access import Access
from issuer.auth import caller_of
from issuer.export import csv_chunks
from issuer.http.answers import CSV, JSON
from issuer.http.documentation import Produces, documented
from issuer.http.parameters import (
    ModelId,
    ReportForm,
    ReportGranularity,
    ReportKind,
    ReportPer,
    ReportPeriod,
    Since,
    Tenant,
    Until,
)
from issuer.http.query import moment_us, optional
from issuer.reports.esrs import KINDS, PER, Question, csv_report, json_report
from issuer.reports.periods import GRANULARITIES, Period, read_period, slots
from issuer.service import service_of
from issuer.tenant_id import TENANT_ID
from issuer.turns import Turns
from issuer.windows.export import everything
from schemas.errors import MalformedValueError
from schemas.telemetry import MODEL_ID
from verifier.http.errors import ParameterError

Word = TypeVar("Word", bound=str)


@get(
    "/api/v1/compliance/export",
    **documented(
        "Analytics",
        Access.READ,
        Produces(
            200, "text/csv", "CSV (RFC 4180), a header row first, each inference once, cells escaped for formulas."
        ),
        problems=(400, 503),
    ),
)
async def export(
    request: Request[Any, Any, Any], since: Since = None, until: Until = None, tenant: Tenant = None
) -> Stream:
    """Return all inferences of a period as CSV, streamed, posted ones first, then those of windows.

    An inference of a window that has no credential of its own yet has an empty credential_id. A table that is cut off
    has no last line break. One export of a tenant is made at a time: who waits longer than 10 s for it is answered 503.
    """
    owner = caller_of(request).tenant_filter(optional(tenant, TENANT_ID, "tenant"))
    service = service_of(request)
    rows = everything(service.store, owner, moment_us(since, "since"), moment_us(until, "until"))
    chunks = _in_turn(service.limits.exports, owner or "", csv_chunks(rows))
    # Before the status is sent: a database that does not answer is a problem document, not half a table.
    first = await anext(chunks)
    return Stream(
        _resumed(first, chunks),
        media_type=CSV,
        headers={"content-disposition": 'attachment; filename="green-compute-credentials.csv"'},
    )


@get(
    "/api/v1/compliance/esrs",
    **documented(
        "Analytics",
        Access.READ,
        Produces(200, "text/csv", "CSV (RFC 4180), a header row first; what is not stated says so."),
        Produces(200, JSON, "With `format=json`: `codes`, `rows`, `totals`; null is not stated.", schema="EsrsReport"),
        problems=(400, 503),
    ),
)
async def esrs(  # noqa: PLR0917 - the parameters of the query
    request: Request[Any, Any, Any],
    period: ReportPeriod = None,
    since: Since = None,
    until: Until = None,
    granularity: ReportGranularity = "month",
    per: ReportPer = None,
    kind: ReportKind = "measured",
    format: ReportForm = "csv",  # noqa: A002 - the name of the query's parameter
    model_id: ModelId = None,
    tenant: Tenant = None,
) -> Stream:
    """Return energy and emissions by slot, region, factor and method, with what ESRS E1-5, E1-6 and the GHG Protocol ask for.

    Energy is split at the slots' edges by time, so slots add up to the whole, exactly. Simulated, suspended and revoked
    figures are in no row of measured ones. Without a period it is the year of today, UTC.
    """
    owner = caller_of(request).tenant_filter(optional(tenant, TENANT_ID, "tenant"))
    service = service_of(request)
    question = Question(
        tenant_id=owner,
        period=_period(period, since, until, service.clock.now()),
        granularity=_word(granularity, GRANULARITIES, "granularity"),
        model_id=optional(model_id, MODEL_ID, "model_id"),
        per=tuple(_word(one, PER, "per") for one in per.split(",")) if per else (),
        kind=_word(kind, KINDS, "kind"),
    )
    as_json = _word(format, ("csv", "json"), "format") == "json"
    try:
        slots(question.period, question.granularity)
    except MalformedValueError as error:
        raise ParameterError(error.detail) from error
    chunks = _in_turn(
        service.limits.exports,
        owner or "",
        (json_report if as_json else csv_report)(service.store, question),
    )
    first = await anext(chunks)
    name = f"green-compute-esrs.{'json' if as_json else 'csv'}"
    return Stream(
        _resumed(first, chunks),
        media_type=JSON if as_json else CSV,
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def _period(text: str | None, since: str | None, until: str | None, now: datetime) -> Period:
    since_us, until_us = moment_us(since, "since"), moment_us(until, "until")
    if text is not None and (since_us, until_us) != (None, None):
        raise ParameterError("period: it stands instead of since and until; give one of both")
    if (since_us is None) != (until_us is None):
        raise ParameterError("since, until: a report needs both, or neither and a period")
    if since_us is not None and until_us is not None:
        return Period(since_us, until_us)
    try:
        return read_period(str(now.year) if text is None else text)
    except MalformedValueError as error:
        raise ParameterError(f"period: {error.detail}") from error


def _word(text: str, words: Sequence[Word], name: str) -> Word:
    for word in words:
        if word == text:
            return word
    raise ParameterError(f"{name}: one of {', '.join(words)} is required")


async def _in_turn(turns: Turns, tenant_id: str, chunks: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    """Yield ``chunks`` in the tenant's turn. Raises OverloadedError where it does not come in time."""
    async with turns.of(tenant_id), aclosing(chunks):
        async for chunk in chunks:
            yield chunk


async def _resumed(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


HANDLERS: Final = (export, esrs)
