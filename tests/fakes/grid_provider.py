"""A provider in memory, sources of it, and a clock that moves only when a test moves it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from types import MappingProxyType

from issuer.carbon.opening import Opened, SourceSettings
from issuer.carbon.providers.errors import ProviderError
from issuer.carbon.providers.protocol import Offer, ProviderSlots
from issuer.carbon.sources import Cascade, GridFile, OpenSources
from issuer.store.grid_records import FeedKey
from schemas import digests, times
from schemas.grid_data import GridSlot
from tests.fakes.grid_slots import HOUR_US, NOON_US

OFFER = Offer(
    provider="fake",
    source="Fake v1",
    licence="none",
    granularity="PT1H",
    factor_type="lifecycle",
    signal="average",
)


class FakeProvider:
    """Gives hours of 300 g/kWh; those in ``holes`` are missing, and after ``estimated_from_us`` they are estimates.

    ``failure`` is raised instead while it is set; ``gate`` has to be set before it answers.
    """

    def __init__(self, offer: Offer = OFFER) -> None:
        self.offer = offer
        self.figure = "300"
        self.holes: set[int] = set()
        self.estimated_from_us: int | None = None
        self.failure: ProviderError | None = None
        self.gate: asyncio.Event | None = None
        self.has_running = True
        self.live = False
        self.asked: list[tuple[str, int, int]] = []
        self.asked_latest = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.closed = False

    async def slots(self, zone: str, start_us: int, end_us: int, now_us: int) -> ProviderSlots:
        self.asked.append((zone, start_us, end_us))
        await self._answer()
        last_us = min(end_us, now_us if self.has_running else now_us // HOUR_US * HOUR_US)
        starts = range(start_us // HOUR_US * HOUR_US, last_us, HOUR_US)
        return self._given(zone, [self._slot(start, now_us, "history") for start in starts if start not in self.holes])

    async def latest(self, zone: str, now_us: int) -> ProviderSlots | None:
        self.asked_latest += 1
        if not self.live:
            return None
        return self._given(zone, [self._slot(now_us // HOUR_US * HOUR_US, now_us, "live")])

    async def aclose(self) -> None:
        self.closed = True

    async def _answer(self) -> None:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.in_flight -= 1
        if self.failure is not None:
            raise self.failure

    def _given(self, zone: str, slots: list[GridSlot]) -> ProviderSlots:
        return ProviderSlots(offer=self.offer, zone=zone, slots=tuple(slots))

    def _slot(self, start_us: int, now_us: int, tier: str) -> GridSlot:
        guessed = self.estimated_from_us is not None and start_us >= self.estimated_from_us
        return GridSlot(
            start_us=start_us,
            end_us=start_us + HOUR_US,
            gco2e_per_kwh=self.figure,
            estimated=guessed or start_us + HOUR_US > now_us,
            tier=tier,
            endpoint="fake",
            retrieved_us=now_us,
            reply_digest=digests.digest(b"reply"),
        )


class ManualClock:
    """Moves when it is told to; who sleeps until a moment wakes up when it is reached."""

    def __init__(self, now_us: int = NOON_US) -> None:
        self.moment = times.from_microseconds(now_us)
        self.sleepers = 0

    def now(self) -> datetime:
        return self.moment

    def now_us(self) -> int:
        return times.to_microseconds(self.moment)

    def advance(self, length: timedelta) -> None:
        self.moment += length

    async def sleep_until(self, moment: datetime) -> None:
        self.sleepers += 1
        try:
            # A test moves it from its own thread, which no event of this loop would notice.
            while self.moment < moment:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        finally:
            self.sleepers -= 1


async def came_true(condition: Callable[[], object], within_s: float = 10.0) -> None:
    """Return once ``condition`` holds, other tasks getting their turn meanwhile; fail where it does not in time."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what it waits for tells nobody
            await asyncio.sleep(0.001)


def sources(*cascades: tuple[str, list[str]], settles_after_h: int = 72, **providers: FakeProvider) -> OpenSources:
    """Return open sources of fake providers: ``sources(("DEU", ["em:DE"]), em=provider)``."""
    keys = {
        region: Cascade(
            region=region,
            average=tuple(FeedKey(source=step.partition(":")[0], zone=step.partition(":")[2]) for step in steps),
        )
        for region, steps in cascades
    }
    settings = {name: SourceSettings(name=name, provider="fake", settles_after_h=settles_after_h) for name in providers}
    opened = {name: Opened(settings=settings[name], provider=one) for name, one in providers.items()}
    file = GridFile(sources=MappingProxyType(settings), cascades=keys)
    return OpenSources(file=file, opened=opened)
