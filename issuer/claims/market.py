"""Emission factors that never stand in for each other: market-based and marginal, one type each. Pure.

The location-based average is a third type (issuer.carbon.factor.GridFactor). No function takes one of them for another,
so a marginal figure cannot get into operational emissions, nor a contract's factor into the place's: a type checker
refuses it. Scope 2 reports location-based and market-based side by side (GHG Protocol Scope 2 Guidance, ch. 6); marginal
figures are informative and belong to neither.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from issuer.claims.profile import MarketBased
from schemas import decimals, times
from schemas.strict_json import JsonObject


class MarketBasedFactor(Struct, frozen=True, kw_only=True):
    """g CO2e per kWh of the contract or certificate ``instrument`` (an IRI), or of the residual mix that it names."""

    market_based_gco2e_per_kwh: Decimal
    instrument: str

    def claims(self, energy_kwh: Decimal) -> dict[str, str]:
        """Return the three terms, exact: they come together."""
        return {
            "marketBasedIntensityGco2ePerKwh": decimals.render(self.market_based_gco2e_per_kwh),
            "marketBasedEmissionsGco2e": decimals.render(
                decimals.multiply(energy_kwh, self.market_based_gco2e_per_kwh)
            ),
            "marketBasedInstrument": self.instrument,
        }


class MarginalFactor(Struct, frozen=True, kw_only=True):
    """g CO2e per kWh that one more kWh causes; at most 3 decimals. Informative, never Scope 2, never operational."""

    marginal_gco2e_per_kwh: Decimal

    def claims(self, energy_kwh: Decimal) -> dict[str, str]:
        """Return the two terms, exact."""
        return {
            "marginalIntensityGco2ePerKwh": decimals.render(self.marginal_gco2e_per_kwh),
            "marginalEmissionsGco2e": decimals.render(decimals.multiply(energy_kwh, self.marginal_gco2e_per_kwh)),
        }


def valid_for(market: MarketBased | None, start: datetime | None, end: datetime) -> MarketBasedFactor | None:
    """Return the factor of a contract that holds for the whole period (None as start: for its end); else None."""
    if market is None:
        return None
    first, last = times.parse_seconds(market.valid_from), times.parse_seconds(market.valid_until)
    if not first <= (end if start is None else start) or not end <= last:
        return None
    return MarketBasedFactor(
        market_based_gco2e_per_kwh=decimals.parse(market.gco2e_per_kwh), instrument=market.instrument
    )


def of_window(claims: JsonObject) -> MarketBasedFactor | None:
    """Return the factor that a window's credential claims, for the inferences in it."""
    value, instrument = claims.get("marketBasedIntensityGco2ePerKwh"), claims.get("marketBasedInstrument")
    if not isinstance(value, str) or not isinstance(instrument, str):
        return None
    return MarketBasedFactor(market_based_gco2e_per_kwh=decimals.parse(value), instrument=instrument)
