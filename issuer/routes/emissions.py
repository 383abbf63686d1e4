"""Exact sums over a tenant's credentials, simulated, suspended and revoked ones apart."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, Response, get
from litestar.params import PathParameter

from issuer.access import Access
from issuer.auth import caller_of
from issuer.http.answers import JSON, json_answer
from issuer.http.documentation import Produces, documented
from issuer.http.parameters import ModelId, Since, Tenant, Until
from issuer.http.query import checked, moment_us, optional
from issuer.reports.figures import by_factor_type, market_view, quality_view, score_view
from issuer.service import service_of
from issuer.store.records import Sum, Totals
from issuer.tenant_id import TENANT_ID
from schemas import decimals
from schemas.strict_json import Json, JsonObject
from schemas.telemetry import MODEL_ID

_SUMS: Final = Produces(
    200,
    JSON,
    "Sums of `measured` credentials, and apart from them `simulated`, `suspended` and `revoked` ones; "
    "kWh and grams of CO2e (location-based) as exact decimal strings. Emissions by direct and by lifecycle factors do "
    "not compare: each kind has a sum of its own, and one that no credential has is absent. `by_factor_type` has E, I, M "
    "and R of SCI apart, the score where all are stated, and market-based emissions with their residual; null is not stated.",
    schema="Emissions",
)


@get("/api/v1/emissions", **documented("Analytics", Access.READ, _SUMS, problems=(400,)))
async def emissions(
    request: Request[Any, Any, Any],
    model_id: ModelId = None,
    since: Since = None,
    until: Until = None,
    tenant: Tenant = None,
) -> Response[bytes]:
    """Return energy and emissions of a tenant, of one model or of all."""
    return await _sums(request, optional(model_id, MODEL_ID, "model_id"), since, until, tenant)


@get("/api/v1/model/{model_id:str}/emissions", **documented("Analytics", Access.READ, _SUMS, problems=(400,)))
async def emissions_of_model(
    request: Request[Any, Any, Any],
    model_id: Annotated[str, PathParameter(description="A model id without a slash; else use /api/v1/emissions.")],
    since: Since = None,
    until: Until = None,
    tenant: Tenant = None,
) -> Response[bytes]:
    """Return energy and emissions of one model."""
    return await _sums(request, checked(model_id, MODEL_ID, "model_id"), since, until, tenant)


async def _sums(
    request: Request[Any, Any, Any], model_id: str | None, since: str | None, until: str | None, tenant: str | None
) -> Response[bytes]:
    owner = caller_of(request).tenant_filter(optional(tenant, TENANT_ID, "tenant"))
    since_us, until_us = moment_us(since, "since"), moment_us(until, "until")
    totals = await service_of(request).store.credentials.emissions(owner, model_id, since_us, until_us)
    return json_answer({"tenant_id": owner, "model_id": model_id, "since": since, "until": until, **_view(totals)})


def _view(totals: Totals) -> JsonObject:
    return {
        "measured": _sum(totals.measured),
        "simulated": _sum(totals.simulated),
        "suspended": _sum(totals.suspended),
        "revoked": _sum(totals.revoked),
    }


def _sum(found: Sum) -> JsonObject:
    by_kind: dict[str, Json] = {
        kind: {**score_view(lines), "market_based": market_view(lines)}
        for kind, lines in by_factor_type(found.lines).items()
    }
    return {
        "count": found.count,
        "energy_kwh": decimals.render(found.energy_kwh),
        "emissions_gco2e": {kind: decimals.render(grams) for kind, grams in sorted(found.emissions_gco2e.items())},
        "by_factor_type": by_kind,
        "quality": quality_view(found.lines),
    }


HANDLERS: Final = (emissions, emissions_of_model)
