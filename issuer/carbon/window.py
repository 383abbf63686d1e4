"""The energy of a window, or of one record in it, as exact claims (FORMATS.md "Formulas"). Pure."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from issuer.carbon.account import Facility, Further, facility_of, pue_percent
from issuer.carbon.factor import GridFactor
from issuer.claims import embodied, market, uncertainty
from issuer.claims.market import MarginalFactor
from issuer.claims.profile import ClaimsProfile, calibrated_percent, read_profile
from issuer.claims.uncertainty import Budget, Seen
from issuer.store.records import NodeRecord
from schemas import decimals, times
from schemas.strict_json import JsonObject
from schemas.window_header import WindowHeader
from schemas.window_record import ENERGIES, WindowRecord
from verifier.window_match import coverage


class Boundaries(msgspec.Struct, frozen=True, kw_only=True):
    """The boundaries of a window or record in kWh; None where nothing was measured. ``unattributed``: a window's alone."""

    active: Decimal
    idle: Decimal
    host: Decimal | None
    network: Decimal | None
    unattributed: Decimal | None
    estimated: Decimal | None

    @property
    def it_kwh(self) -> Decimal:
        """Their sum, without what was estimated, which is a part of it."""
        stated = (self.active, self.idle, self.host, self.network, self.unattributed)
        return decimals.add(*(value for value in stated if value is not None))


class WindowClaim(msgspec.Struct, frozen=True, kw_only=True):
    """Energy and emissions of a window: nothing is rounded but each boundary, to whole 1e-12 kWh."""

    boundaries: Boundaries
    facility: Facility | None
    energy_kwh: Decimal
    grid: GridFactor
    operational_emissions_gco2e: Decimal
    further: Further


def boundaries_of(signed: WindowHeader | WindowRecord) -> Boundaries:
    """Return the boundaries of what a node signed in millijoules."""
    return Boundaries(
        active=decimals.kwh_from_mj(signed.accelerator_active_mj),
        idle=decimals.kwh_from_mj(signed.accelerator_loaded_idle_mj + signed.accelerator_idle_mj),
        host=_unless_zero(signed.host_cpu_mj + signed.host_dram_mj + signed.host_other_mj),
        network=_unless_zero(signed.network_mj),
        unattributed=decimals.kwh_from_mj(signed.unattributed_mj) if isinstance(signed, WindowHeader) else None,
        estimated=_unless_zero(signed.estimated_mj),
    )


def account_window(header: WindowHeader, node: NodeRecord, grid: GridFactor) -> WindowClaim:
    """Return the claim of one window under the factor of its node's grid region."""
    boundaries = boundaries_of(header)
    facility = facility_of(boundaries.it_kwh, node)
    energy_kwh = boundaries.it_kwh if facility is None else decimals.add(boundaries.it_kwh, facility.overhead_kwh)
    profile = read_profile(node.claims_profile)
    start, end = times.from_microseconds(header.start_us), times.from_microseconds(header.end_us)
    return WindowClaim(
        boundaries=boundaries,
        facility=facility,
        energy_kwh=energy_kwh,
        grid=grid,
        operational_emissions_gco2e=decimals.multiply(energy_kwh, grid.gco2e_per_kwh),
        further=Further(
            embodied_gco2e=embodied.of_node(profile.embodied, header.duration_us),
            market_based=market.valid_for(profile.market_based, start, end),
            budget=_budget(header, node, profile, grid),
        ),
    )


def further_of_record(
    record: WindowRecord, header: WindowHeader, window: JsonObject, reserved_us: int, marginal: MarginalFactor | None
) -> Further:
    """Return what a record claims besides, by what its window's credential claims.

    ``reserved_us`` is the sum of the durations of all records of the window.
    """
    shared = window.get("embodiedEmissionsGco2e")
    return Further(
        embodied_gco2e=embodied.of_record(
            decimals.parse(shared),
            record_us=record.duration_us,
            window_us=header.duration_us,
            reserved_us=reserved_us,
        )
        if isinstance(shared, str)
        else None,
        market_based=market.of_window(window),
        marginal=marginal,
        budget=uncertainty.of_record_in_window(
            window,
            timing=uncertainty.timing_percent(record.duration_us),
            gaps=_gaps(header, record),
            attribution=record.attribution,
        ),
    )


def _budget(header: WindowHeader, node: NodeRecord, profile: ClaimsProfile, grid: GridFactor) -> Budget | None:
    if node.simulated or header.simulated:
        return None
    end = times.from_microseconds(header.end_us).date()
    return uncertainty.of_parts(
        meter=uncertainty.meter_percent(header.method, calibrated_percent(profile, end)),
        timing=uncertainty.timing_percent(header.duration_us),
        gaps=_gaps(header, header),
        pue=pue_percent(node, profile),
        intensity=uncertainty.INTENSITY_PERCENT[grid.tier],
    )


def _gaps(header: WindowHeader, part: WindowHeader | WindowRecord) -> Decimal | None:
    """Return u of the gaps of a window in the whole of it, or in a record: nobody signed where in it they were."""
    if not part.duration_us:
        return None
    return uncertainty.gaps_percent(
        Seen(coverage=decimals.parse(coverage(header)), largest_gap_us=header.largest_gap_us),
        duration_us=part.duration_us,
        energy_mj=it_mj(part),
        estimated_mj=part.estimated_mj,
    )


def it_mj(signed: WindowHeader | WindowRecord) -> int:
    """Return the sum of all boundaries that a node signed, in mJ."""
    energies_mj: int = sum([getattr(signed, name) for name in ENERGIES])
    return energies_mj + (signed.unattributed_mj if isinstance(signed, WindowHeader) else 0)


def _unless_zero(energy_mj: int) -> Decimal | None:
    # Nothing measured and nothing used look alike in a header; "not stated" is the smaller claim.
    return decimals.kwh_from_mj(energy_mj) if energy_mj else None
