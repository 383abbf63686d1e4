"""The worker keeps slots up to date and stands in nobody's way; no test here waits for a clock."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest

from issuer.carbon.providers.errors import (
    NoGridDataError,
    ProviderRateLimitedError,
    ProviderUnauthorizedError,
    ProviderUnavailableError,
)
from issuer.carbon.worker import LEASE, GridWorker
from issuer.store.grid_records import FeedKey, ProvisionalClaim
from tests.fakes.grid_provider import FakeProvider, ManualClock, came_true, sources
from tests.fakes.grid_slots import DAY_US, HOUR_US, NOON_US
from tests.fakes.stored import issued, node

MINUTE_US = 60_000_000
EM_DE = FeedKey(source="em", zone="DE")
TEN = NOON_US + 10 * MINUTE_US
"""Ten past noon: the hour from noon is there by now."""


@pytest.fixture
def clock():
    return ManualClock(TEN)


@pytest.fixture
def em():
    return FakeProvider()


@pytest.fixture
async def open_worker(store, clock):
    opened = []

    def open_one(given, holder="one", **settings):
        worker = GridWorker(store, given, clock, jitter=lambda: 0.0, holder=holder, **settings)
        opened.append(worker)
        return worker

    yield open_one
    for worker in opened:
        await worker.stop()


@pytest.fixture
def worker(open_worker, em):
    return open_worker(sources(("DEU", ["em:DE"]), em=em))


async def _round(worker, clock=None, **later):
    if later:
        clock.advance(timedelta(**later))
    wake_us = await worker.round()
    await worker.idle()
    return wake_us


async def _slots(store, start_us=NOON_US - 2 * DAY_US, end_us=NOON_US + 10 * DAY_US, key=EM_DE):
    return list(await store.grid.slots([key], "average", start_us, end_us))


async def _state(store, key=EM_DE):
    (found,) = [one for one in await store.grid_feeds.all() if one.key == key]
    return found


async def test_the_last_day_of_each_region_in_use_is_asked_for_at_once(store, worker, em):
    await _round(worker)
    assert em.asked == [("DE", TEN - 26 * HOUR_US, TEN)]
    found = await _slots(store)
    assert (found[0].slot.start_us, found[-1].slot.start_us) == (NOON_US - 26 * HOUR_US, NOON_US)
    assert (await _state(store)).last_success_us == TEN


async def test_regions_that_no_active_node_is_in_are_not_asked_for(open_worker, em):
    other = FakeProvider()
    await _round(open_worker(sources(("DEU", ["em:DE"]), ("FRA", ["other:FR"]), em=em, other=other)))
    assert em.asked
    assert not other.asked


async def test_a_node_of_another_region_is_noticed(store, open_worker, em, clock):
    worker = open_worker(sources(("DEU", ["em:DE"]), ("FRA", ["em:FR"]), em=em))
    await _round(worker)
    await store.nodes.add(node("new", grid_region="FR"))
    wake_us = await _round(worker, clock, seconds=15)
    assert [zone for zone, *_ in em.asked] == ["DE", "FR"]
    assert wake_us - clock.now_us() <= 15_000_000


async def test_what_is_there_is_not_asked_for_again(worker, em, clock):
    await _round(worker)
    await _round(worker, clock, minutes=20)
    assert len(em.asked) == 1


async def test_the_next_hour_is_asked_for_a_minute_after_it_began(worker, em, clock):
    await _round(worker)
    await _round(worker, clock, minutes=50, seconds=59)
    assert len(em.asked) == 1
    await _round(worker, clock, seconds=1)
    assert em.asked[1:] == [("DE", NOON_US + HOUR_US, NOON_US + 61 * MINUTE_US)]


async def test_the_hour_that_is_over_is_asked_for_five_minutes_after_its_end(worker, em, clock):
    await _round(worker)
    await _round(worker, clock, minutes=51)
    await _round(worker, clock, minutes=3, seconds=59)
    assert len(em.asked) == 2
    await _round(worker, clock, seconds=1)
    assert em.asked[2:] == [("DE", NOON_US, NOON_US + HOUR_US)]


async def test_a_slot_that_ran_when_it_was_read_is_read_again_after_its_end(store, worker, em, clock):
    em.figure = "100"
    await _round(worker)
    em.figure = "200"
    await _round(worker, clock, minutes=55)
    noon = next(one for one in await _slots(store) if one.slot.start_us == NOON_US)
    assert (noon.slot.gco2e_per_kwh, noon.slot.estimated) == ("200", False)


async def test_a_provider_whose_history_lacks_the_running_slot_is_asked_for_the_latest(store, worker, em):
    em.has_running, em.live = False, True
    await _round(worker)
    last = (await _slots(store))[-1]
    assert (last.slot.start_us, last.slot.tier, last.slot.estimated) == (NOON_US, "live", True)


async def test_estimates_are_asked_for_again_every_hour_until_they_are_none(store, worker, em, clock):
    em.estimated_from_us = NOON_US - 10 * HOUR_US
    await _round(worker)
    em.asked.clear()
    await _round(worker, clock, minutes=56)
    assert all(start_us >= NOON_US - 2 * HOUR_US for _, start_us, _ in em.asked)
    em.asked.clear()
    em.estimated_from_us = None
    await _round(worker, clock, minutes=10)
    assert min(start_us for _, start_us, _ in em.asked) == NOON_US - 10 * HOUR_US
    assert not any(one.slot.estimated for one in await _slots(store) if one.slot.end_us <= TEN)


async def test_slots_are_read_once_more_when_they_settle_and_then_never_again(store, open_worker, em, clock):
    worker = open_worker(sources(("DEU", ["em:DE"]), em=em, settles_after_h=2))
    await _round(worker)
    settled = [one for one in await _slots(store) if one.settled_us is not None]
    assert settled[-1].slot.end_us == NOON_US - 2 * HOUR_US
    for _ in range(30):
        await _round(worker, clock, minutes=5)
    em.asked.clear()
    em.figure = "999"
    await _round(worker, clock, minutes=1)
    found = await _slots(store)
    assert all(one.slot.gco2e_per_kwh == "300" for one in found if one.settled_us is not None)
    assert len([one for one in found if one.settled_us is not None]) == len(settled) + 2
    assert all(start_us >= NOON_US - HOUR_US for _, start_us, _ in em.asked)


async def test_new_holes_are_asked_for_every_five_minutes_and_old_ones_every_hour(worker, em, clock):
    em.holes = {NOON_US - 10 * HOUR_US, NOON_US - HOUR_US}
    await _round(worker)
    em.asked.clear()
    for _ in range(7):
        await _round(worker, clock, minutes=5)
    assert len(em.asked) == 7
    assert all(start_us >= NOON_US - HOUR_US for _, start_us, _ in em.asked)
    em.asked.clear()
    await _round(worker, clock, minutes=25)
    assert min(start_us for _, start_us, _ in em.asked) == NOON_US - 10 * HOUR_US


async def test_what_a_provisional_credential_lacks_is_asked_for(store, worker, em):
    day_us = NOON_US - 5 * DAY_US
    await issued(
        store,
        provisional=ProvisionalClaim(region="DEU", period_start_us=day_us + 1, period_end_us=day_us + 2, it_mj=1),
    )
    await _round(worker)
    assert ("DE", day_us + 1, day_us + 2) in em.asked
    assert (await _slots(store, day_us, day_us + 5))[0].slot.start_us == day_us


async def test_what_lies_beyond_a_sources_reach_is_asked_for_no_more(store, worker, em):
    day_us = NOON_US - 11 * DAY_US
    await issued(
        store, provisional=ProvisionalClaim(region="DEU", period_start_us=day_us, period_end_us=day_us + 2, it_mj=1)
    )
    await _round(worker)
    assert len(em.asked) == 1


async def test_failures_double_the_pause_up_to_an_hour(store, worker, em, clock):
    em.failure = ProviderUnavailableError("it is down")
    pauses = []
    for _ in range(9):
        await _round(worker)
        state = await _state(store)
        pauses.append((state.next_attempt_us - clock.now_us()) // 1_000_000)
        clock.advance(timedelta(microseconds=state.next_attempt_us - clock.now_us()))
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert (state.failure, state.failures, state.last_success_us) == ("it is down", 9, None)


async def test_a_source_that_failed_is_not_asked_before_its_time(worker, em, clock):
    em.failure = ProviderUnavailableError("it is down")
    await _round(worker)
    await _round(worker, clock, seconds=59)
    assert len(em.asked) == 1
    await _round(worker, clock, seconds=1)
    assert len(em.asked) == 2


async def test_a_source_that_answers_again_starts_anew(store, worker, em, clock):
    em.failure = ProviderUnavailableError("it is down")
    await _round(worker)
    em.failure = None
    await _round(worker, clock, seconds=60)
    state = await _state(store)
    assert (state.failures, state.failure, state.last_failure_us) == (0, "it is down", TEN)
    assert state.last_success_us == clock.now_us()


async def test_what_a_provider_asks_for_is_obeyed(store, worker, em, clock):
    em.failure = ProviderRateLimitedError("too many", retry_after_s=1800)
    await _round(worker)
    assert (await _state(store)).next_attempt_us == TEN + 1800 * 1_000_000


async def test_a_token_that_is_not_accepted_is_tried_again_in_an_hour(store, worker, em):
    em.failure = ProviderUnauthorizedError("no")
    await _round(worker)
    assert (await _state(store)).next_attempt_us == TEN + HOUR_US


async def test_no_figures_for_a_period_is_an_answer_and_no_failure(store, worker, em):
    em.failure = NoGridDataError("none")
    await _round(worker)
    assert (await _state(store)).failures == 0
    assert await _slots(store) == []


async def test_a_source_that_hangs_holds_up_no_other(store, open_worker, em):
    slow = FakeProvider()
    slow.gate = asyncio.Event()
    worker = open_worker(sources(("DEU", ["slow:DE", "em:DE"]), em=em, slow=slow))
    await worker.round()
    await came_true(lambda: em.asked and slow.asked)

    await came_true(lambda: worker._feeds[EM_DE].flight is None)
    assert await _slots(store)
    assert slow.in_flight == 1


async def test_a_zone_is_asked_for_in_one_flight_at_a_time(worker, em, clock):
    em.gate = asyncio.Event()
    for _ in range(5):
        await worker.round()
        clock.advance(timedelta(minutes=10))
        await asyncio.sleep(0)
    await came_true(lambda: em.asked)
    assert em.most_in_flight == 1
    assert len(em.asked) == 1
    em.gate.set()
    await worker.idle()


async def test_stopping_ends_what_is_in_flight_and_gives_the_lease_back(store, worker, em):
    em.gate = asyncio.Event()
    await worker.round()
    await came_true(lambda: em.asked)
    await worker.stop()
    assert em.in_flight == 0
    assert await store.leases.take(LEASE, "another", now_us=TEN, until_us=TEN + 1)


async def test_of_two_processes_one_asks_and_the_other_takes_over_when_it_is_gone(open_worker, em, clock):
    given = sources(("DEU", ["em:DE"]), em=em)
    first, second = open_worker(given, "one"), open_worker(given, "two")
    await _round(first)
    await _round(second)
    assert len(em.asked) == 1
    # The first is killed: its lease runs out.
    await _round(second, clock, seconds=59)
    assert second._feeds == {}
    await _round(second, clock, seconds=1)
    assert EM_DE in second._feeds


@pytest.mark.parametrize(
    "lie",
    [
        {"zone": "FR"},
        {"slots_ahead": True},
        {"figure": "2001"},
        {"figure": "-5"},
        {"figure": "1.23456"},
        {"offer": "direct"},
    ],
)
async def test_what_is_not_believed_is_not_stored(store, worker, em, lie):
    honest = em.slots

    async def lying(zone, start_us, end_us, now_us):
        found = await honest(zone, start_us, end_us, now_us)
        if "zone" in lie:
            return msgspec.structs.replace(found, zone=lie["zone"])
        if "offer" in lie:
            return msgspec.structs.replace(found, offer=msgspec.structs.replace(found.offer, factor_type="direct"))
        last = found.slots[-1]
        changed = (
            msgspec.structs.replace(last, start_us=last.start_us + HOUR_US, end_us=last.end_us + HOUR_US)
            if "slots_ahead" in lie
            else msgspec.structs.replace(last, gco2e_per_kwh=lie["figure"])
        )
        return msgspec.structs.replace(found, slots=(*found.slots[:-1], changed))

    em.slots = lying
    await _round(worker)
    assert await _slots(store) == []
    assert (await _state(store)).failures == 1


async def test_a_fault_within_a_provider_ends_neither_the_worker_nor_the_others(store, open_worker, em):
    broken = FakeProvider()
    broken.slots = None
    worker = open_worker(sources(("DEU", ["broken:DE", "em:DE"]), em=em, broken=broken))
    await _round(worker)
    assert await _slots(store)
    assert worker._feeds[FeedKey(source="broken", zone="DE")].next_us == TEN + HOUR_US


async def test_a_node_of_a_region_that_no_table_has_holds_up_no_other(store, worker, em):
    await store.nodes.add(node("old", grid_region="ATLANTIS"))
    await _round(worker)
    assert await _slots(store)


async def test_a_fault_of_its_own_does_not_end_it(store, worker, em, clock):
    regions = store.nodes.regions
    store.nodes.regions = None
    running = asyncio.create_task(worker.run())
    await came_true(lambda: clock.sleepers)
    assert not em.asked
    store.nodes.regions = regions
    clock.advance(timedelta(minutes=1))
    await came_true(lambda: em.asked)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_whoever_reads_slots_is_told_that_they_changed(open_worker, em, clock):
    told = []
    worker = open_worker(sources(("DEU", ["em:DE"]), em=em), on_change=lambda: told.append(1))
    await _round(worker)
    assert len(told) == 1
    await _round(worker, clock, minutes=10)
    assert len(told) == 1


async def test_it_runs_by_its_clock_until_it_is_cancelled(worker, em, clock):
    running = asyncio.create_task(worker.run())
    await came_true(lambda: len(em.asked) == 1)
    for _ in range(12):
        clock.advance(timedelta(minutes=5))
        await came_true(lambda: worker._feeds[EM_DE].flight is None)
    await came_true(lambda: len(em.asked) >= 2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
