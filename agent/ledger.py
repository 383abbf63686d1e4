"""The ledger of a process: who was measuring when, and whose each millijoule is.

At every start, stop and sample the meters are read, and what each device did since the reading before is credited
to the measurements that were running then. Of nested ones only the innermost runs; several at once share evenly.
So the sum over all measurements is what the meters counted while any ran, exactly.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.clock import Clock
from agent.errors import ReadingFailedError
from agent.measurement import Measurement, Stamp, Totals, close
from agent.meters.protocol import Meter, Reading
from agent.span import Flag, Span, between, lost, split


@dataclass(eq=False, slots=True)
class Entry:
    """A running measurement: what it has been credited so far, by device."""

    start: Stamp
    parent: Entry | None
    totals: dict[str, Totals]
    running_children: int = 0
    flags: set[Flag] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Share:
    """What an entry was credited from ``start`` to ``end``, by device, as it was counted: nothing is filled in."""

    start: Stamp
    end: Stamp
    totals: Mapping[str, Totals]
    flags: frozenset[Flag]


@dataclass(frozen=True, slots=True)
class _Base:
    """Up to where a device has been accounted: a reading, or only a time where it gave none."""

    boottime_ns: int
    reading: Reading | None


class Occupancy(Protocol):
    """Tells other processes that the devices are being measured, and of theirs."""

    def take(self) -> None:
        """Claim the devices."""
        ...

    def release(self) -> None:
        """Give them up."""
        ...

    def alone(self) -> bool:
        """Return whether nobody else claims them."""
        ...


class Ledger:
    """The measurements of one process over a set of meters. Any thread may call it."""

    def __init__(self, meters: Sequence[Meter], clock: Clock, occupancy: Occupancy | None = None) -> None:
        """Keep accounts of ``meters``; without ``occupancy``, other processes are taken to leave them alone."""
        self.simulated = any(meter.simulated for meter in meters)
        self._meters = tuple(meters)
        self._clock = clock
        self._occupancy = occupancy
        self._lock = threading.Lock()
        self._running: list[Entry] = []
        self._bases: dict[str, _Base] = {}

    @property
    def idle(self) -> bool:
        """Whether nothing is being measured."""
        return not self._running

    @property
    def period_s(self) -> float:
        """How often, in seconds, ``sample`` is to be called while something is measured."""
        return min((meter.period_s for meter in self._meters), default=1.0)

    def start(self, parent: Entry | None = None) -> Entry:
        """Return a new measurement, running from now, inside ``parent`` if that is running."""
        with self._lock:
            if self._running:
                self._advance(complete=True)
            else:
                self._begin()
            inside = parent if parent in self._running else None
            if inside is not None:
                inside.running_children += 1
            entry = Entry(self._stamp(), inside, self._no_totals())
            self._running.append(entry)
            return entry

    def stop(self, entry: Entry) -> Measurement:
        """Return what ``entry`` measured, which ends now.

        Raises MeasurementError where no figure can honestly be given.
        """
        return self._closed(self.take(entry))

    def take(self, entry: Entry) -> Share:
        """Return what ``entry`` was credited, which ends now."""
        with self._lock:
            try:
                self._advance(complete=True)
                share = Share(entry.start, self._stamp(), entry.totals, frozenset(entry.flags))
            finally:
                self._end(entry)
        return share

    def cut(self, entry: Entry) -> Measurement:
        """Return what ``entry`` measured so far; it goes on from here, as a new one without a gap.

        Raises MeasurementError, as ``stop``; it goes on all the same.
        """
        with self._lock:
            self._advance(complete=True)
            share = self._cut(entry, self._stamp())
        return self._closed(share)

    def cut_all(self) -> list[tuple[Entry, Share]]:
        """Return what every running entry was credited so far, all cut at one moment; all go on from there."""
        with self._lock:
            self._advance(complete=True)
            end = self._stamp()
            return [(entry, self._cut(entry, end)) for entry in self._running]

    def sample(self) -> None:
        """Read every meter in between, so that a counter that falls is seen."""
        with self._lock:
            if self._running:
                self._advance(complete=False)

    def _cut(self, entry: Entry, end: Stamp) -> Share:
        share = Share(entry.start, end, entry.totals, frozenset(entry.flags))
        entry.start, entry.totals = end, self._no_totals()
        entry.flags.clear()
        return share

    def _closed(self, share: Share) -> Measurement:
        return close(share.totals, share.start, share.end, simulated=self.simulated, flags=share.flags)

    def _stamp(self) -> Stamp:
        return Stamp(self._clock.boottime_ns(), self._clock.wall_ns())

    def _end(self, entry: Entry) -> None:
        self._running.remove(entry)
        if entry.parent is not None:
            entry.parent.running_children -= 1
        if not self._running and self._occupancy is not None:
            self._occupancy.release()

    def _no_totals(self) -> dict[str, Totals]:
        return {meter.device: Totals(method=meter.method) for meter in self._meters}

    def _begin(self) -> None:
        if self._occupancy is not None:
            self._occupancy.take()
        for meter in self._meters:
            reading = _read(meter)
            boottime_ns = self._clock.boottime_ns() if reading is None else reading.boottime_ns
            self._bases[meter.device] = _Base(boottime_ns, reading)

    def _advance(self, *, complete: bool) -> None:
        """Credit what each device did since it was read last.

        ``complete`` where the running measurements are about to change: then a device that gives no reading is
        settled as missing. In between it is left open, and the next reading may still cover it.
        """
        credited = [entry for entry in self._running if entry.running_children == 0]
        for meter in self._meters:
            span = self._span(meter, complete=complete)
            if span is None:
                continue
            for entry, share in zip(credited, split(span, len(credited)), strict=True):
                entry.totals[meter.device] = entry.totals[meter.device].plus(share)
        if self._occupancy is not None and not self._occupancy.alone():
            for entry in credited:
                entry.flags.add("shared-device")

    def _span(self, meter: Meter, *, complete: bool) -> Span | None:
        base = self._bases[meter.device]
        now = _read(meter)
        if now is None:
            if not complete:
                return None
            boottime_ns = self._clock.boottime_ns()
            self._bases[meter.device] = _Base(boottime_ns, None)
            return lost(meter.device, max(0, boottime_ns - base.boottime_ns))
        self._bases[meter.device] = _Base(now.boottime_ns, now)
        if base.reading is None:
            # A meter may give a reading of a moment ago.
            return lost(meter.device, max(0, now.boottime_ns - base.boottime_ns))
        return between(base.reading, now, meter.method)


def _read(meter: Meter) -> Reading | None:
    try:
        return meter.read()
    except ReadingFailedError:
        return None
