"""Time a function: batches of calls, and the median batch with its spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

BATCHES = 15
BATCH_S = 0.1


class Timing(NamedTuple):
    """Microseconds a call: the median of the batches, the fastest and the slowest batch."""

    median_us: float
    min_us: float
    max_us: float

    @property
    def per_second(self) -> int:
        """How many calls a second the median makes, on one core."""
        return round(1e6 / self.median_us)

    def times_of(self, floor: Timing) -> float:
        """How many times the floor's median this median is."""
        return self.median_us / floor.median_us


def measure(call: Callable[[], object]) -> Timing:
    """Return the time of one call, from batches of at least a tenth of a second each, after a warm-up."""
    call()
    count = 1
    while (spent := _batch(call, count)) < BATCH_S / 2:
        count = max(count * 2, int(count * BATCH_S / max(spent, 1e-6)))
    runs = [_batch(call, count) / count * 1e6 for _ in range(BATCHES)]
    return Timing(statistics.median(runs), min(runs), max(runs))


def _batch(call: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - start
