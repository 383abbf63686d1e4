"""Waiting for the date of a credential: nothing is signed before it, and whoever waits holds a connection.

A record may end up to a minute ahead of our clock. Who waits for a moment is everybody (dates are whole seconds);
those who wait longer are counted, by node and in all, and those beyond are told when to come back.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from issuer.clock import Clock
from issuer.errors import OverloadedError
from schemas import times

SHORT: Final = timedelta(seconds=2)
"""A wait that does not count: clocks differ by so much, and a node's rate bounds how many wait."""

PER_NODE: Final = 8
IN_ALL: Final = 64
"""Connections that wait at once in one worker, which takes 1,024."""


class Waiting:
    """Who waits, and how many of them. ``who`` is a node's id; "" stands for all who are no node."""

    def __init__(self, clock: Clock, *, per_node: int = PER_NODE, in_all: int = IN_ALL) -> None:
        """Take the clock and how many may wait."""
        self._clock = clock
        self._per_node = per_node
        self._in_all = in_all
        self._waiting: Counter[str] = Counter()

    def check(self, date: datetime, who: str) -> None:
        """Raise OverloadedError, which says how many seconds are left, where ``who`` cannot wait for ``date`` now."""
        left = date - self._clock.now()
        if left > SHORT and (self._waiting[who] >= self._per_node or self._waiting.total() >= self._in_all):
            raise OverloadedError(
                f"the period ends at {times.render_seconds(date)}, ahead of the issuer's clock, and too many wait for "
                "their time already; send it again then, and set the node's clock",
                retry_after_s=math.ceil(left.total_seconds()),
            )

    async def until(self, date: datetime, who: str) -> None:
        """Return when it is ``date``. Raises as check."""
        if date - self._clock.now() <= SHORT:
            await self._clock.sleep_until(date)
            return
        self.check(date, who)
        self._waiting[who] += 1
        try:
            await self._clock.sleep_until(date)
        finally:
            self._waiting[who] -= 1
            if not self._waiting[who]:
                del self._waiting[who]
