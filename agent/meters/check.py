"""A meter held against itself: how often its counter moves, what a reading costs, whether power agrees.

Needs no issuer and no network: ``python -m agent.meters.check 10`` prints one JSON object for each GPU.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

from msgspec import Struct, to_builtins

from agent.clock import Clock, SystemClock
from agent.config import Settings
from agent.measurement import STUCK_NS, Measurement, Stamp, Totals, close
from agent.meters.choose import survey
from agent.meters.protocol import Meter, Reading
from agent.span import between


class Check(Struct, frozen=True, kw_only=True):
    """What was found in ``duration_us`` of reading as fast as the pauses allow.

    ``tick_us`` is the median time between changes of the counter, None where it changed less than twice;
    ``cost_us`` the median time that a reading takes; ``integral_mj`` the energy by the trapezoidal rule over the
    power readings, None where there is no power.
    """

    device: str
    model: str
    meter: str
    readings: int
    duration_us: int
    counted_mj: int
    integral_mj: int | None
    mean_power_mw: int
    tick_us: int | None
    cost_us: int
    flags: tuple[str, ...]


def check(
    meter: Meter, clock: Clock, seconds: float, *, pause_s: float = 0.005, sleep: Callable[[float], None] = time.sleep
) -> Check:
    """Return what reading ``meter`` for so many seconds shows. Raises ReadingFailedError, MeasurementError."""
    start = Stamp(clock.boottime_ns(), clock.wall_ns())
    readings: list[Reading] = []
    costs_ns: list[int] = []
    while not readings or readings[-1].boottime_ns - start.boottime_ns < seconds * 1e9:
        before_ns = clock.boottime_ns()
        readings.append(meter.read())
        costs_ns.append(clock.boottime_ns() - before_ns)
        sleep(pause_s)
    totals = Totals(method=meter.method)
    for last, now in pairwise(readings):
        totals = totals.plus(between(last, now, meter.method))
    end = Stamp(readings[-1].boottime_ns, readings[-1].wall_ns)
    measured = close({meter.device: totals}, Stamp(readings[0].boottime_ns, start.wall_ns), end)
    return _result(meter, measured, totals, readings, costs_ns)


def _result(
    meter: Meter, measured: Measurement, totals: Totals, readings: Sequence[Reading], costs_ns: Sequence[int]
) -> Check:
    steps_ns = ticks_ns(readings)
    flags = set(measured.flags)
    # A node's meter is a BMC, which renews its figures when it likes.
    if meter.scope != "node" and _longest_still_ns(readings) >= STUCK_NS:
        flags.add("counter-stuck")
    return Check(
        device=meter.device,
        model=meter.model,
        meter=meter.name,
        readings=len(readings),
        duration_us=measured.duration_us,
        counted_mj=measured.energy_mj,
        integral_mj=totals.power_mj,
        mean_power_mw=measured.energy_mj * 1_000_000 // max(measured.duration_us, 1),
        tick_us=_median(steps_ns) // 1000 if steps_ns else None,
        cost_us=_median(costs_ns) // 1000,
        flags=tuple(sorted(flags)),
    )


def ticks_ns(readings: Sequence[Reading]) -> list[int]:
    """Return the times between changes of the counter, in ns, from the second change on."""
    changes = [now.boottime_ns for last, now in pairwise(readings) if now.energy_mj != last.energy_mj]
    return [now - last for last, now in pairwise(changes)]


def _longest_still_ns(readings: Sequence[Reading]) -> int:
    """Return the longest time, in ns, in which the counter stood still."""
    longest_ns, moved_ns = 0, readings[0].boottime_ns
    for last, now in pairwise(readings):
        if now.energy_mj != last.energy_mj:
            moved_ns = now.boottime_ns
        longest_ns = max(longest_ns, now.boottime_ns - moved_ns)
    return longest_ns


def _median(values: Sequence[int]) -> int:
    return sorted(values)[len(values) // 2]


def main(arguments: Sequence[str]) -> int:
    """Check every GPU for the seconds given (default 10), print JSON, and return 1 where there is none."""
    clock = SystemClock()
    found = survey(Settings(), os.environ, clock)
    for lack in found.unavailable:
        sys.stderr.write(f"{lack.name}: {lack.reason} ({lack.remedy})\n")
    for meter in found.meters:
        sys.stdout.write(json.dumps(to_builtins(check(meter, clock, float((*arguments, "10")[0])))) + "\n")
    return 0 if found.meters else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
