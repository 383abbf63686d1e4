"""What nobody's own work used, tick by tick: the energy that engines' requests share. Integers, exact. Pure.

The entry of a ledger that runs all the time is asked after each reading. A counter ticks about every 100 ms, at times
of its own, so a reading in between shows no movement, one that shows some comes later than the tick, and now and then
one shows two. When a counter ticked is therefore followed as a clock is: where it should have ticked, held between the
reading that shows it and the one before, its period led slowly by what that corrects. Devices whose counters moved at
the same times are one tick together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from agent.attribution.shares import Tick
from agent.measurement import TICK_NS, Totals

MAX_TICKS: Final = 10_000
"""Ticks of one window. Beyond, when other work starts and stops a thousand times a second, they become longer."""

_LONGEST_WAIT_NS: Final = 1_000_000_000
"""How far a device may hold up what is settled: a counter in use moves within a second."""

_INERTIA: Final = 64
"""What part of each correction of when a counter ticked is taken over into its period."""


class _Seen(NamedTuple):
    energy_mj: int = 0
    estimated_mj: int = 0
    idle_mj: int = 0
    loaded_idle_mj: int = 0

    def less(self, other: _Seen) -> _Seen:
        return _Seen(*(mine - its for mine, its in zip(self, other, strict=True)))

    def plus(self, other: _Seen) -> _Seen:
        return _Seen(*(mine + its for mine, its in zip(self, other, strict=True)))


class _Beat:
    """When a counter ticked last, as far as readings tell, and how long it takes from tick to tick."""

    __slots__ = ("_period_ns", "at_ns")

    def __init__(self) -> None:
        self.at_ns = 0
        self._period_ns = TICK_NS

    def moved(self, read_ns: int, now_ns: int) -> None:
        """Follow a movement that ``now_ns`` shows, and ``read_ns``, the reading before, did not."""
        passed_ns = now_ns - self.at_ns
        if passed_ns > _LONGEST_WAIT_NS:
            # Nothing is known of where it was: the mean of what it can be.
            self.at_ns = now_ns - min((now_ns - read_ns) // 2, TICK_NS // 2)
            return
        expected_ns = self.at_ns + max(1, passed_ns // self._period_ns) * self._period_ns
        at_ns = min(max(expected_ns, read_ns), now_ns)
        period_ns = self._period_ns + (at_ns - expected_ns) // _INERTIA
        self._period_ns = min(max(period_ns, TICK_NS * 9 // 10), TICK_NS * 11 // 10)
        self.at_ns = max(at_ns, self.at_ns)


class Pool:
    """The ticks of the present window. Its caller sees to it that one thread at a time uses it."""

    def __init__(self, devices: Iterable[str]) -> None:
        """Watch ``devices``: accelerators, by the names that a ledger's totals have."""
        self._devices = tuple(sorted(devices))
        self._seen = dict.fromkeys(self._devices, _Seen())
        self._beats = {device: _Beat() for device in self._devices}
        self._read_ns = 0
        self._free = True
        self._ticks: list[Tick] = []
        self.wanted = False
        """Whether ticks are to be kept: somebody is there who shares them."""

    def note(self, now_ns: int, totals: Mapping[str, Totals], *, free: bool) -> None:
        """Take what the entry was credited up to now. From now on it is credited only if ``free``."""
        if len(self._ticks) < MAX_TICKS or not free:
            self._take(now_ns, totals)
        self._free, self._read_ns = free, now_ns

    def cut(self, now_ns: int, totals: Mapping[str, Totals], *, free: bool) -> tuple[list[Tick], int]:
        """Return the ticks of the window that ends now, and until when, in ns, all that was used is in them.

        ``totals`` are those of the window; the next one's begin at zero.
        """
        self._take(now_ns, totals)
        self._free, self._read_ns = free, now_ns
        ticks, self._ticks = self._ticks, []
        self._seen = dict.fromkeys(self._devices, _Seen())
        settled_ns = min((beat.at_ns for beat in self._beats.values()), default=now_ns)
        return ticks, max(settled_ns, now_ns - _LONGEST_WAIT_NS)

    def _take(self, now_ns: int, totals: Mapping[str, Totals]) -> None:
        moved: dict[tuple[int, int], tuple[_Seen, int]] = {}
        for device, beat in self._beats.items():
            total = totals.get(device)
            if total is None:
                continue
            energy_mj = total.measured_mj + total.estimated_mj
            seen = _Seen(energy_mj, total.estimated_mj, total.idle_mj, total.loaded_idle_mj)
            by = seen.less(self._seen[device])
            if by.energy_mj <= 0:
                if not self._free:
                    # Its energy was other work's.
                    beat.at_ns = now_ns
                continue
            since_ns = beat.at_ns
            beat.moved(self._read_ns, now_ns)
            whole, devices = moved.get((since_ns, beat.at_ns), (_Seen(), 0))
            moved[since_ns, beat.at_ns] = whole.plus(by), devices + 1
            self._seen[device] = seen
        if self.wanted:
            self._ticks += [Tick(*when, *whole, devices=devices) for when, (whole, devices) in sorted(moved.items())]
