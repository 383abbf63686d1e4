"""The two clocks of a measurement: one that is never set, for durations, and the wall's, for labels."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the agent asks a clock. Times are integer nanoseconds."""

    def boottime_ns(self) -> int:
        """Return nanoseconds since boot, suspended time included (CLOCK_BOOTTIME). It never steps back."""
        ...

    def wall_ns(self) -> int:
        """Return nanoseconds since 1970 (UTC). It may step either way, so it only labels."""
        ...


class SystemClock:
    """This machine's clocks."""

    def boottime_ns(self) -> int:
        """Return CLOCK_BOOTTIME."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def wall_ns(self) -> int:
        """Return the wall clock."""
        return time.time_ns()
