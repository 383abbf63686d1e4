"""One row of the table for ESRS E1-5, E1-6 and the GHG Protocol: a slot's sum of what has one factor and one method. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec import Struct

from issuer.reports.figures import (
    UNITS,
    basis_of,
    count,
    emissions_percent,
    energy_percent,
    exact,
    figure,
    intensity,
    scores,
)
from issuer.reports.periods import Period
from issuer.store.amounts import Amounts, decimal_of
from issuer.store.reports import Entry
from schemas import decimals, times

_KWH_PER_MWH: Final = 3
_GRAMS_PER_TONNE: Final = 6
_HUNDRED: Final = 100

NOT_STATED: Final = "not stated"
AGGREGATION: Final = "linear over credentials (k = 2); with the intensity in quadrature"
WITH_EMBODIED: Final = "operational (location-based) and embodied"
WITHOUT_EMBODIED: Final = "operational (location-based) only"

_BASIS: Final = {
    "measurement_method": "method",
    "coverage": "coverage",
    "claim_status": "claim_status",
    "factor_source": "source",
    "factor_year": "year",
    "factor_granularity": "granularity",
    "factor_tier": "tier",
    "gwp": "gwp",
    "market_based_instrument": "instrument",
}
"""Columns that the basis has."""

COLUMNS: Final = (
    *("period_start", "period_end", "tenant_id", "model_id", "node_id", "grid_region"),
    *("assurance", "simulated", "inferences"),
    *("energy_mwh", "renewable_share", "estimated_energy_mwh", "measured_percent"),
    *("measurement_method", "attribution_method", "coverage", "claim_status"),
    *("emission_factor_type", "location_based_tco2e", "location_based_gco2e_per_kwh"),
    *("factor_source", "factor_year", "factor_granularity", "factor_tier", "gwp"),
    *("market_based_tco2e", "market_based_instrument", "residual_energy_mwh", "residual_location_based_tco2e"),
    *("embodied_tco2e", "scope3_category1_tco2e", "scope3_category1_boundary"),
    *("energy_uncertainty_percent", "emissions_uncertainty_percent", "uncertainty_aggregation"),
    *("requests", "tokens", "sci_gco2e_per_request", "sci_gco2e_per_token"),
    *("credentials", "credentials_digest"),
)
"""Of the table; new columns are only ever added at the end."""

NEVER_KNOWN: Final = ("renewable_share",)
"""No credential states the mix of the energy: neither a location-based factor nor a contract's says it."""


class Row(Struct, frozen=True, kw_only=True):
    """A row: values by column, None where not stated."""

    values: dict[str, str | None]
    entry: Entry


def row_of(entry: Entry, slot: Period) -> Row:
    """Return the row of one sum of a slot."""
    key, amounts, basis = entry.key, entry.amounts, basis_of(entry.key.basis)
    operational, embodied = decimal_of(amounts["emissions"]), figure(amounts, "embodied")
    values: dict[str, str | None] = {
        "period_start": _time(slot.start_us),
        "period_end": _time(slot.end_us),
        "tenant_id": key.tenant_id or "all",
        "model_id": key.model_id or "all",
        "node_id": key.node_id or "all",
        "grid_region": basis.get("region"),
        "assurance": key.assurance,
        "simulated": "true" if key.assurance == "simulated" or key.kind == "simulated" else "false",
        "inferences": str(amounts["count"]),
        "attribution_method": key.attribution,
        "emission_factor_type": key.factor_type,
        "location_based_tco2e": exact(operational, _GRAMS_PER_TONNE),
        "location_based_gco2e_per_kwh": intensity(amounts),
        "embodied_tco2e": _shifted(embodied, _GRAMS_PER_TONNE),
        "scope3_category1_tco2e": exact(
            operational if embodied is None else decimals.add(operational, embodied), _GRAMS_PER_TONNE
        ),
        "scope3_category1_boundary": WITHOUT_EMBODIED if embodied is None else WITH_EMBODIED,
        "energy_uncertainty_percent": _rendered(energy_percent(amounts)),
        "emissions_uncertainty_percent": _rendered(emissions_percent(key, amounts)),
        "uncertainty_aggregation": AGGREGATION,
        "credentials": str(entry.credentials),
        "credentials_digest": entry.digest,
        **dict.fromkeys(NEVER_KNOWN),
        **{column: basis.get(member) for column, member in _BASIS.items()},
        **_energy(amounts),
        **_market(amounts),
        **_per_unit(amounts),
    }
    return Row(values={column: values[column] for column in COLUMNS}, entry=entry)


def _energy(amounts: Amounts) -> dict[str, str | None]:
    estimated = figure(amounts, "estimated")
    measured = None
    if estimated is not None and amounts["energy"]:
        part = Decimal(amounts["energy"] - amounts["estimated"]) * _HUNDRED
        measured = decimals.render(decimals.divide(part, Decimal(amounts["energy"]), 3))
    return {
        "energy_mwh": exact(decimal_of(amounts["energy"]), _KWH_PER_MWH),
        "estimated_energy_mwh": _shifted(estimated, _KWH_PER_MWH),
        "measured_percent": measured,
    }


def _market(amounts: Amounts) -> dict[str, str | None]:
    """Return what a contract covers; else all of it is residual, with its location-based emissions."""
    market = figure(amounts, "market")
    is_residual = market is None
    return {
        "market_based_tco2e": _shifted(market, _GRAMS_PER_TONNE),
        "residual_energy_mwh": exact(decimal_of(amounts["energy"] * is_residual), _KWH_PER_MWH),
        "residual_location_based_tco2e": exact(decimal_of(amounts["emissions"] * is_residual), _GRAMS_PER_TONNE),
    }


def _per_unit(amounts: Amounts) -> dict[str, str | None]:
    found: dict[str, str | None] = {f"sci_gco2e_per_{unit}": score for unit, score in scores(amounts).items()}
    for counter in UNITS.values():
        number = count(amounts, counter)
        found[counter] = None if number is None else str(number)
    return found


def _shifted(value: Decimal | None, places: int) -> str | None:
    return None if value is None else exact(value, places)


def _rendered(value: Decimal | None) -> str | None:
    return None if value is None else decimals.render(value)


def _time(microseconds: int) -> str:
    return times.render_claim(times.from_microseconds(microseconds))
