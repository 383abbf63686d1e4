"""A backfill goes day by day, asks for nothing that is settled, waits where the provider is down, and gives up in the end."""

from __future__ import annotations

import pytest

from issuer.carbon.backfill import MAX_TRIES, PAUSE_S, backfill
from issuer.carbon.due import Span
from issuer.carbon.providers.errors import ProviderRateLimitedError, ProviderUnauthorizedError, ProviderUnavailableError
from issuer.carbon.worker import GridWorker
from tests.fakes.grid_provider import FakeProvider, ManualClock, sources
from tests.fakes.grid_slots import DAY_US, EM_DE, HOUR_US, NOON_US

MIDNIGHT_US = NOON_US - NOON_US % DAY_US
PAST = Span(MIDNIGHT_US - 9 * DAY_US, MIDNIGHT_US - 6 * DAY_US)


class Backfill:
    def __init__(self, store):
        self.store = store
        self.provider = FakeProvider()
        self.sources = sources(("DEU", ["em:DE"]), em=self.provider)
        self.worker = GridWorker(store, self.sources, ManualClock())
        self.slept_s = []
        self.on_sleep = lambda: None

    async def run(self, span=PAST):
        async def sleep(seconds):
            self.slept_s.append(seconds)
            self.on_sleep()

        found = backfill(self.worker, self.store, self.sources, EM_DE, span, sleep=sleep)
        return [progress async for progress in found]


@pytest.fixture
def filling(store):
    return Backfill(store)


async def test_it_goes_day_by_day_and_rests_between_requests(filling):
    progress = await filling.run()
    assert [one.done for one in progress] == [1, 2, 3]
    assert (progress[-1].days, progress[-1].changed, progress[-1].requests) == (3, 72, 3)
    assert filling.slept_s == [PAUSE_S, PAUSE_S]


async def test_what_is_settled_is_not_asked_for_again(filling):
    await filling.run(Span(PAST.start_us, PAST.start_us + DAY_US + 12 * HOUR_US))
    filling.provider.asked.clear()
    await filling.run()
    assert filling.provider.asked == [
        ("DE", PAST.start_us + DAY_US + 12 * HOUR_US, PAST.start_us + 2 * DAY_US),
        ("DE", PAST.start_us + 2 * DAY_US, PAST.end_us),
    ]


async def test_estimates_are_asked_for_again(filling):
    filling.provider.estimated_from_us = PAST.start_us + 2 * DAY_US
    await filling.run()
    filling.provider.asked.clear()
    await filling.run()
    assert filling.provider.asked == [("DE", PAST.start_us + 2 * DAY_US, PAST.end_us)]


async def test_where_a_provider_is_down_it_waits_and_goes_on(filling):
    filling.provider.failure = ProviderRateLimitedError("too many", retry_after_s=90)

    def mend():
        filling.provider.failure = None

    filling.on_sleep = mend
    progress = await filling.run()
    assert (progress[0].done, progress[0].waits_s, progress[0].failure) == (0, 90, "too many")
    assert progress[-1].changed == 72


async def test_it_gives_up_after_a_few_failures_and_keeps_what_it_has(filling, store):
    await filling.run(Span(PAST.start_us, PAST.start_us + DAY_US))
    filling.provider.failure = ProviderUnavailableError("down")
    with pytest.raises(ProviderUnavailableError):
        await filling.run()
    assert len(filling.provider.asked) == 1 + MAX_TRIES
    assert len(await store.grid.slots([EM_DE], "average", PAST.start_us, PAST.end_us)) == 24


async def test_what_waiting_does_not_mend_is_not_waited_for(filling):
    filling.provider.failure = ProviderUnauthorizedError("no")
    with pytest.raises(ProviderUnauthorizedError):
        await filling.run()
    assert filling.slept_s == []
