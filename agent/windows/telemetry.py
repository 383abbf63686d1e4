"""What a window says, before it has a place in the chain: counters, sums and records, in integers. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agent.meters.protocol import Method, lowest
from agent.span import Flag
from schemas.window_header import Accelerator
from schemas.window_record import WindowRecord


@dataclass(frozen=True, slots=True)
class TelemetryWindow:
    """One window of the node: energies in mJ; ``start_us`` and ``end_us`` wall time, the other times CLOCK_BOOTTIME.

    active + loaded idle + idle + unattributed = what the accelerators' counters moved, exactly. Idle is when a device
    says that it did no work, loaded idle when a compute process held it meanwhile (weights resident); what it used at
    work that nobody declared, or where it does not say, is unattributed. The host's energies are beside that, 0 where
    nothing measures them; the records' part of each is at most the window's.
    """

    start_us: int
    end_us: int
    duration_us: int
    measured_us: int
    largest_gap_us: int
    method: Method
    simulated: bool
    accelerators: tuple[Accelerator, ...]
    records: tuple[WindowRecord, ...]
    idle_mj: int
    unattributed_mj: int
    estimated_mj: int
    flags: frozenset[Flag]
    loaded_idle_mj: int = 0
    host_cpu_mj: int = 0
    host_dram_mj: int = 0
    host_other_mj: int = 0

    @property
    def active_mj(self) -> int:
        """The energy of all records."""
        return sum(record.accelerator_active_mj for record in self.records)

    @property
    def energy_mj(self) -> int:
        """What all counters moved."""
        return sum(accelerator.energy_mj for accelerator in self.accelerators)


def mergeable(first: TelemetryWindow, second: TelemetryWindow) -> bool:
    """Return whether ``second`` goes on exactly where ``first`` ended, in time and on every counter."""
    ends = [(one.uuid, one.counter_end_mj) for one in first.accelerators]
    starts = [(one.uuid, one.counter_start_mj) for one in second.accelerators]
    return ends == starts and first.end_us == second.start_us and first.simulated == second.simulated


def merge(first: TelemetryWindow, second: TelemetryWindow) -> TelemetryWindow:
    """Return one window of two that are ``mergeable``; every sum is kept."""
    accelerators = tuple(
        Accelerator(
            uuid=begun.uuid,
            model=begun.model,
            scope=begun.scope,
            counter_start_mj=begun.counter_start_mj,
            counter_end_mj=ended.counter_end_mj,
            energy_mj=ended.counter_end_mj - begun.counter_start_mj,
        )
        for begun, ended in zip(first.accelerators, second.accelerators, strict=True)
    )
    return replace(
        first,
        end_us=second.end_us,
        duration_us=first.duration_us + second.duration_us,
        measured_us=first.measured_us + second.measured_us,
        # A gap over the border may be one: at most as long as both.
        largest_gap_us=min(
            first.largest_gap_us + second.largest_gap_us,
            first.duration_us + second.duration_us - first.measured_us - second.measured_us,
        ),
        method=lowest((first.method, second.method)),
        accelerators=accelerators,
        records=first.records + second.records,
        idle_mj=first.idle_mj + second.idle_mj,
        unattributed_mj=first.unattributed_mj + second.unattributed_mj,
        estimated_mj=first.estimated_mj + second.estimated_mj,
        loaded_idle_mj=first.loaded_idle_mj + second.loaded_idle_mj,
        host_cpu_mj=first.host_cpu_mj + second.host_cpu_mj,
        host_dram_mj=first.host_dram_mj + second.host_dram_mj,
        host_other_mj=first.host_other_mj + second.host_other_mj,
        flags=first.flags | second.flags,
    )
