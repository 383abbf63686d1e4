"""The energy of a window, or of one record in it, as exact claims (FORMATS.md "Formulas"). Pure."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from issuer.carbon.account import Facility, facility_of
from issuer.carbon.factor import GridFactor
from issuer.store.records import NodeRecord
from schemas import decimals
from schemas.window_header import WindowHeader
from schemas.window_record import WindowRecord


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
    return WindowClaim(
        boundaries=boundaries,
        facility=facility,
        energy_kwh=energy_kwh,
        grid=grid,
        operational_emissions_gco2e=decimals.multiply(energy_kwh, grid.gco2e_per_kwh),
    )


def _unless_zero(energy_mj: int) -> Decimal | None:
    # Nothing measured and nothing used look alike in a header; "not stated" is the smaller claim.
    return decimals.kwh_from_mj(energy_mj) if energy_mj else None
