"""A meter as a window sees it: a counter that only rises, the readings at both ends, and the holes in between.

What nobody saw is counted for nobody. Where a counter was set back (driver reloaded, device reset), the window must
end with the last reading before (schemas.window_header), so the tap holds still until it does (``fell``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from agent.errors import ReadingFailedError
from agent.measurement import STUCK_NS
from agent.meters.power import NS_PER_S, trapezoid
from agent.meters.protocol import Meter, Method, Reading, Scope, Unit
from agent.span import Flag
from schemas.window_header import Accelerator

Interval: TypeAlias = tuple[int, int]
"""From and to, by CLOCK_BOOTTIME in ns."""

_COMPARED_NS: Final = 60 * NS_PER_S
"""How long counter and power are summed before they are compared: power lags by up to a second at each end."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One accelerator's part of a window: its counter at both ends, and when nothing was measured."""

    accelerator: Accelerator
    estimated_mj: int
    holes: tuple[Interval, ...]
    flags: frozenset[Flag]


class Tap:
    """A meter for the ledger, over another meter."""

    def __init__(self, meter: Meter, *, moves: bool = True) -> None:
        """Watch ``meter``, which has a counter or integrates its power to one; ``moves`` within a second, if it works."""
        self._meter = meter
        self._moves = moves
        self._last: Reading | None = None
        self._current = False
        self._total_mj = 0
        self._total_estimated_mj = 0
        self._begin_ns = 0
        self._start: Reading | None = None
        self._end: Reading | None = None
        self._moved_ns = 0
        self._estimated_mj = 0
        self._holes: list[Interval] = []
        self._flags: set[Flag] = set()
        self._compared_ns = self._compared_mj = self._twice_power = 0
        self.fell = False

    @property
    def name(self) -> str:
        """Return the meter's name."""
        return self._meter.name

    @property
    def device(self) -> str:
        """Return the device's identity."""
        return self._meter.device

    @property
    def model(self) -> str:
        """Return the device's product name."""
        return self._meter.model

    @property
    def unit(self) -> Unit:
        """Return mJ."""
        return "mJ"

    @property
    def scope(self) -> Scope:
        """Return what the figure covers."""
        return self._meter.scope

    @property
    def method(self) -> Method:
        """Return the grade of the meter."""
        return self._meter.method

    @property
    def simulated(self) -> bool:
        """Return whether the figures are invented."""
        return self._meter.simulated

    @property
    def period_s(self) -> float:
        """Return how often the meter must be read."""
        return self._meter.period_s

    @property
    def current(self) -> bool:
        """Whether the last attempt to read it succeeded."""
        return self._current

    @property
    def read_once(self) -> bool:
        """Whether it was ever read."""
        return self._last is not None

    def read(self) -> Reading:
        """Return a reading of the rising counter. Raises ReadingFailedError."""
        try:
            now = self._meter.read()
        except ReadingFailedError:
            self._missed()
            raise
        if now.energy_mj is None:
            self._missed()
            raise ReadingFailedError(f"{self.device} gave no counter")
        self._take(now, now.energy_mj)
        self._last, self._current = now, True
        return replace(now, energy_mj=self._total_mj, estimated_mj=self._total_estimated_mj, epoch=0)

    def begin(self, boottime_ns: int) -> None:
        """Begin a window, where the last one ended. With no reading there, it counts from its first one."""
        self._begin_ns = self._moved_ns = boottime_ns
        self._start = self._end = self._last if self._current else None
        self._estimated_mj = 0
        self._holes, self._flags, self.fell = [], set(), False

    def counted(self, boottime_ns: int) -> Counted:
        """Return what was counted from the window's beginning until its end. It must have been read once, ever."""
        if self._last is None:
            raise ReadingFailedError(f"{self.device} was never read")
        start, end = self._start or self._last, self._end or self._last
        holes = list(self._holes)
        if self._end is None:
            holes = [(self._begin_ns, boottime_ns)]
        else:
            seen_ns = self._end.boottime_ns
            if seen_ns < boottime_ns and (self.fell or not self._current):
                holes.append((seen_ns, boottime_ns))
            # A counter in use moves within a second: a silent zero is no measurement.
            if self._moves and seen_ns - self._moved_ns >= STUCK_NS:
                holes.append((self._moved_ns, seen_ns))
                self._flags.add("counter-stuck")
        first_mj, last_mj = start.energy_mj or 0, end.energy_mj or 0
        accelerator = Accelerator(
            uuid=self.device,
            model=self.model,
            scope=self.scope,
            counter_start_mj=first_mj,
            counter_end_mj=last_mj,
            energy_mj=last_mj - first_mj,
        )
        return Counted(accelerator, self._estimated_mj, tuple(holes), frozenset(self._flags))

    def close(self) -> None:
        """Close the meter."""
        self._meter.close()

    def _missed(self) -> None:
        self._current = False
        self._flags.add("reading-failed")

    def _take(self, now: Reading, energy_mj: int) -> None:
        before = self._end
        if before is None or before.energy_mj is None:
            # Nothing vouches for what went before.
            if now.boottime_ns > self._begin_ns:
                self._holes.append((self._begin_ns, now.boottime_ns))
            self._start = self._end = now
            self._moved_ns = now.boottime_ns
            return
        if self.fell or now.epoch != before.epoch or energy_mj < before.energy_mj:
            self.fell = True
            self._flags.add("counter-reset")
            return
        used_mj = energy_mj - before.energy_mj
        estimated_mj = max(0, min(now.estimated_mj - before.estimated_mj, used_mj))
        if estimated_mj:
            self._holes.append((before.boottime_ns, now.boottime_ns))
            self._flags.add("sampling-gap")
        self._total_mj += used_mj
        self._total_estimated_mj += estimated_mj
        self._estimated_mj += estimated_mj
        self._compare(before, now, used_mj)
        self._end = now
        if used_mj:
            self._moved_ns = now.boottime_ns

    def _compare(self, before: Reading, now: Reading, used_mj: int) -> None:
        """Hold the counter against the integral of power, minute by minute; a window of seconds is too short for it."""
        if before.power_mw is None or now.power_mw is None:
            return
        span_ns = now.boottime_ns - before.boottime_ns
        self._compared_ns += span_ns
        self._compared_mj += used_mj
        self._twice_power += trapezoid(before.power_mw, now.power_mw, span_ns)
        if self._compared_ns < _COMPARED_NS:
            return
        power_mj = self._twice_power // (2 * NS_PER_S)
        if abs(self._compared_mj - power_mj) * 10 > power_mj:
            self._flags.add("power-disagrees")
        self._compared_ns = self._compared_mj = self._twice_power = 0


def union(holes: Sequence[Interval], start_ns: int, end_ns: int) -> tuple[int, int]:
    """Return how long, in ns, at least one of ``holes`` was open between two moments, and the longest stretch."""
    total_ns = longest_ns = 0
    opened_ns = reached_ns = start_ns
    for begin_ns, until_ns in sorted(holes):
        first_ns, last_ns = max(begin_ns, start_ns), min(until_ns, end_ns)
        if last_ns <= first_ns:
            continue
        if first_ns > reached_ns:
            opened_ns = reached_ns = first_ns
        if last_ns > reached_ns:
            total_ns += last_ns - reached_ns
            reached_ns = last_ns
        longest_ns = max(longest_ns, reached_ns - opened_ns)
    return total_ns, longest_ns
