"""From a boundary's energy to its emissions: exact sums, every input kept (FORMATS.md "Formulas").

A record's energy is what the accelerators used for the work, so it is ``acceleratorActiveKwh``. Host,
network and idle energy are not stated by a posted record and are therefore absent, never zero.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from issuer.carbon.factor import GridFactor
from issuer.claims import embodied, market, uncertainty
from issuer.claims.market import MarginalFactor, MarketBasedFactor
from issuer.claims.profile import ClaimsProfile, calibrated_percent, read_profile
from issuer.claims.uncertainty import Budget
from issuer.store.records import NodeRecord
from schemas import decimals
from schemas.telemetry import TelemetryRecord

_US_DECIMALS: Final = 6


class Facility(msgspec.Struct, frozen=True, kw_only=True):
    """The share of the building: ``overhead_kwh = (pue - 1) x IT energy``; come together or not at all."""

    pue: Decimal
    kind: str
    source: str | None
    overhead_kwh: Decimal


class Further(msgspec.Struct, frozen=True, kw_only=True):
    """What is claimed besides energy and operational emissions, each apart; None is not claimed."""

    embodied_gco2e: Decimal | None = None
    market_based: MarketBasedFactor | None = None
    marginal: MarginalFactor | None = None
    budget: Budget | None = None


class EnergyClaim(msgspec.Struct, frozen=True, kw_only=True):
    """Energy and emissions of one record. kWh have at most 15 decimals, grams at most 18; nothing is rounded."""

    accelerator_active_kwh: Decimal
    facility: Facility | None
    energy_kwh: Decimal
    grid: GridFactor
    operational_emissions_gco2e: Decimal
    further: Further


def account(
    record: TelemetryRecord,
    node: NodeRecord,
    grid: GridFactor,
    *,
    marginal: MarginalFactor | None = None,
) -> EnergyClaim:
    """Return the claim of one record under the factor of its node's grid region.

    The posted energy is first brought to the grain of the format, whole millijoules (half-even): a
    boundary's kWh is ``round_half_even(mJ / 3.6e9, 12 decimals)``. So a figure that a meter in
    millijoules produced comes out as it went in, and a finer one differs by at most half a millijoule;
    the record as posted stays the evidence. Where the node has a PUE, the overhead is added.
    """
    active_kwh = decimals.kwh_from_mj(decimals.mj_from_kwh(record.energy_kwh))
    facility = facility_of(active_kwh, node)
    energy_kwh = decimals.add(active_kwh, facility.overhead_kwh) if facility else active_kwh
    profile = read_profile(node.claims_profile)
    duration_us = None if record.duration_s is None else int(record.duration_s.scaleb(_US_DECIMALS))
    return EnergyClaim(
        accelerator_active_kwh=active_kwh,
        facility=facility,
        energy_kwh=energy_kwh,
        grid=grid,
        operational_emissions_gco2e=decimals.multiply(energy_kwh, grid.gco2e_per_kwh),
        further=Further(
            embodied_gco2e=embodied.of_node(profile.embodied, duration_us),
            market_based=market.valid_for(profile.market_based, record.period_start, record.timestamp),
            marginal=marginal,
            budget=_budget(record, node, profile, grid, duration_us) if active_kwh else None,
        ),
    )


def _budget(
    record: TelemetryRecord, node: NodeRecord, profile: ClaimsProfile, grid: GridFactor, duration_us: int | None
) -> Budget | None:
    """Return the budget of a posted record, which says nothing of gaps nor of how its GPU was shared."""
    if node.simulated or record.simulated:
        return None
    meter = uncertainty.meter_percent(record.method, calibrated_percent(profile, record.timestamp.date()))
    timing = uncertainty.timing_percent(duration_us)
    if meter is None or timing is None:
        return None
    pue = pue_percent(node, profile)
    return Budget(meter=meter, timing=timing, pue=pue, intensity=uncertainty.INTENSITY_PERCENT[grid.tier])


def pue_percent(node: NodeRecord, profile: ClaimsProfile) -> Decimal | None:
    """Return the standard uncertainty of a node's PUE: the operator's figure, else its kind's; None without a PUE."""
    if node.pue is None:
        return None
    stated = profile.pue_standard_percent
    return uncertainty.PUE_PERCENT[_kind(node)] if stated is None else decimals.parse(stated)


def facility_of(it_kwh: Decimal, node: NodeRecord) -> Facility | None:
    """Return the building's share of a node's IT energy, None where the node has no PUE."""
    if node.pue is None:
        return None
    pue = decimals.parse(node.pue)
    return Facility(
        pue=pue,
        kind=_kind(node),
        source=node.pue_source,
        overhead_kwh=decimals.multiply(decimals.EXACT.subtract(pue, Decimal(1)), it_kwh),
    )


def _kind(node: NodeRecord) -> str:
    # Who did not say where a PUE comes from gets the weakest of the three words.
    return node.pue_kind or "default"
