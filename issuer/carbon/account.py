"""From a boundary's energy to its emissions: exact sums, every input kept (FORMATS.md "Formulas").

A record's energy is what the accelerators used for the work, so it is ``acceleratorActiveKwh``. Host,
network and idle energy are not stated by a posted record and are therefore absent, never zero.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from issuer.carbon.factor import GridFactor
from issuer.store.records import NodeRecord
from schemas import decimals
from schemas.telemetry import TelemetryRecord


class Facility(msgspec.Struct, frozen=True, kw_only=True):
    """The share of the building: ``overhead_kwh = (pue - 1) x IT energy``; come together or not at all."""

    pue: Decimal
    kind: str
    source: str | None
    overhead_kwh: Decimal


class EnergyClaim(msgspec.Struct, frozen=True, kw_only=True):
    """Energy and emissions of one record. kWh have at most 15 decimals, grams at most 18; nothing is rounded."""

    accelerator_active_kwh: Decimal
    facility: Facility | None
    energy_kwh: Decimal
    grid: GridFactor
    operational_emissions_gco2e: Decimal


def account(record: TelemetryRecord, node: NodeRecord, grid: GridFactor) -> EnergyClaim:
    """Return the claim of one record under the factor of its node's grid region.

    The posted energy is first brought to the grain of the format, whole millijoules (half-even): a
    boundary's kWh is ``round_half_even(mJ / 3.6e9, 12 decimals)``. So a figure that a meter in
    millijoules produced comes out as it went in, and a finer one differs by at most half a millijoule;
    the record as posted stays the evidence. Where the node has a PUE, the overhead is added.
    """
    active_kwh = decimals.kwh_from_mj(decimals.mj_from_kwh(record.energy_kwh))
    facility = facility_of(active_kwh, node)
    energy_kwh = decimals.add(active_kwh, facility.overhead_kwh) if facility else active_kwh
    return EnergyClaim(
        accelerator_active_kwh=active_kwh,
        facility=facility,
        energy_kwh=energy_kwh,
        grid=grid,
        operational_emissions_gco2e=decimals.multiply(energy_kwh, grid.gco2e_per_kwh),
    )


def facility_of(it_kwh: Decimal, node: NodeRecord) -> Facility | None:
    """Return the building's share of a node's IT energy, None where the node has no PUE."""
    if node.pue is None:
        return None
    pue = decimals.parse(node.pue)
    return Facility(
        pue=pue,
        # Who did not say where a PUE comes from gets the weakest of the three words.
        kind=node.pue_kind or "default",
        source=node.pue_source,
        overhead_kwh=decimals.multiply(decimals.EXACT.subtract(pue, Decimal(1)), it_kwh),
    )
