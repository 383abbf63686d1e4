"""The clock that issuing reads, as a protocol: tests and the pure code get theirs as an argument."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final, Protocol

# Timers run on the monotonic clock, so a step of the wall clock is noticed at the next wake-up.
_LONGEST_NAP_S: Final = 1.0


class Clock(Protocol):
    """Wall time, and waiting for it."""

    def now(self) -> datetime:
        """Return the time, in UTC, with microseconds."""
        ...

    async def sleep_until(self, moment: datetime) -> None:
        """Return when ``now()`` has reached ``moment``; at once if it already has."""
        ...


class SystemClock:
    """The machine's wall clock."""

    def now(self) -> datetime:
        """Return the time, in UTC, with microseconds."""
        return datetime.now(UTC)

    async def sleep_until(self, moment: datetime) -> None:
        """Return when the wall clock shows ``moment`` or later."""
        while (left_s := (moment - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - no event tells of a wall clock
            await asyncio.sleep(min(left_s, _LONGEST_NAP_S))
