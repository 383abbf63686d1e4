"""From spans to a measurement: sums, what is filled in, the grade, and what a reader must be told. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from agent.errors import MeasurementError
from agent.meters.protocol import Method, lowest
from agent.span import Flag, Span

TICK_NS: Final = 100_000_000
"""NVML's counter ticks about every 100 ms; a shorter window was seen to err by -100 % to +395 %."""

STUCK_NS: Final = 1_000_000_000
"""A counter in use moves within a second."""

COMPARED_NS: Final = 10_000_000_000
"""From this length on, the counter is held against the integral of power, which lags by up to a second."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment by both clocks."""

    boottime_ns: int
    wall_ns: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What whoever ran the work counted, each at most 2**53 - 1. None means not stated."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    requests: int = 1


UNCOUNTED: Final = Counts()
"""One request, of which nothing is stated."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured of a piece of work.

    Attributes:
        measured_mj: energy that the meters counted.
        estimated_mj: energy filled in for stretches that no meter saw.
        start_wall_ns, end_wall_ns: labels; the start is the end less the duration, so that a stepped clock does not
            show.
        duration_us: by CLOCK_BOOTTIME.
        method: the lowest grade of any part.
    """

    measured_mj: int
    estimated_mj: int
    start_wall_ns: int
    end_wall_ns: int
    duration_us: int
    method: Method
    simulated: bool = False
    utilization_percent: int | None = None
    devices: tuple[str, ...] = ()
    flags: frozenset[Flag] = frozenset()

    @property
    def energy_mj(self) -> int:
        """The whole energy in mJ, filled-in parts included."""
        return self.measured_mj + self.estimated_mj


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of one device's spans that belong to one measurement.

    ``idle_mj`` is the part of the energy during which the device said that it did no work, ``loaded_idle_mj`` the part
    during which, besides, a compute process held it.
    """

    duration_ns: int = 0
    missing_ns: int = 0
    measured_mj: int = 0
    estimated_mj: int = 0
    power_mj: int | None = 0
    idle_mj: int = 0
    loaded_idle_mj: int = 0
    utilization_percent_ns: int = 0
    utilized_ns: int = 0
    method: Method = "metered"
    flags: frozenset[Flag] = frozenset()

    def plus(self, span: Span) -> Totals:
        """Return the totals with a span added."""
        known = span.utilization_percent is not None
        idle_mj = span.measured_mj + span.estimated_mj if span.idle else 0
        return Totals(
            duration_ns=self.duration_ns + span.duration_ns,
            missing_ns=self.missing_ns + span.missing_ns,
            measured_mj=self.measured_mj + span.measured_mj,
            estimated_mj=self.estimated_mj + span.estimated_mj,
            power_mj=None if self.power_mj is None or span.power_mj is None else self.power_mj + span.power_mj,
            idle_mj=self.idle_mj + (0 if span.held else idle_mj),
            loaded_idle_mj=self.loaded_idle_mj + (idle_mj if span.held else 0),
            utilization_percent_ns=self.utilization_percent_ns + (span.utilization_percent or 0) * span.duration_ns,
            utilized_ns=self.utilized_ns + (span.duration_ns if known else 0),
            method=lowest((self.method, span.method)),
            flags=self.flags | span.flags,
        )


def close(
    totals: Mapping[str, Totals],
    start: Stamp,
    end: Stamp,
    *,
    simulated: bool = False,
    flags: Iterable[Flag] = (),
) -> Measurement:
    """Return the measurement of a period, from each device's totals.

    A stretch of which nothing is known is filled in at the device's mean power of the rest, and makes the whole
    "modelled". Raises MeasurementError where a device gave nothing at all: a silent zero is no measurement.
    """
    if not totals:
        raise MeasurementError("no device was read")
    settled = {device: _settle(device, total) for device, total in totals.items()}
    duration_ns = end.boottime_ns - start.boottime_ns
    raised = frozenset(flags).union(*(total.flags for total in settled.values()))
    if duration_ns < TICK_NS and not simulated:
        raised |= {"shorter-than-tick"}
    methods = [total.method for total in settled.values()]
    # Where another process counts the same device, the figure is no longer a count of this work.
    if "shared-device" in raised or simulated:
        methods.append("modelled")
    return Measurement(
        measured_mj=sum(total.measured_mj for total in settled.values()),
        estimated_mj=sum(total.estimated_mj for total in settled.values()),
        start_wall_ns=end.wall_ns - duration_ns,
        end_wall_ns=end.wall_ns,
        duration_us=duration_ns // 1000,
        method=lowest(methods),
        simulated=simulated,
        utilization_percent=_utilization(settled.values()),
        devices=tuple(sorted(settled)),
        flags=raised,
    )


def _settle(device: str, total: Totals) -> Totals:
    known_ns = total.duration_ns - total.missing_ns
    energy_mj = total.measured_mj + total.estimated_mj
    flags = total.flags
    if energy_mj == 0 and known_ns >= STUCK_NS:
        return _unstuck(device, total)
    if total.missing_ns and not known_ns:
        raise MeasurementError(f"{device} gave no reading while the work ran")
    if known_ns >= COMPARED_NS and not total.missing_ns and total.power_mj is not None:
        apart_mj = abs(energy_mj - total.power_mj)
        flags |= {"power-disagrees"} if apart_mj * 10 > total.power_mj else set()
    filled_mj = energy_mj * total.missing_ns // known_ns if total.missing_ns else 0
    return replace(total, estimated_mj=total.estimated_mj + filled_mj, flags=flags)


def _unstuck(device: str, total: Totals) -> Totals:
    if not total.power_mj:
        raise MeasurementError(f"the counter of {device} did not move, and there is no power to estimate from")
    method = lowest((total.method, "integrated"))
    return replace(total, estimated_mj=total.power_mj, method=method, flags=total.flags | {"counter-stuck"})


def _utilization(totals: Iterable[Totals]) -> int | None:
    figures = list(totals)
    seen_ns = sum(total.utilized_ns for total in figures)
    if not seen_ns:
        return None
    return (sum(total.utilization_percent_ns for total in figures) + seen_ns // 2) // seen_ns
