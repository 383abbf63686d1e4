"""Slots of the grid: a settled one never changes, an unsettled one follows the newest reading; leases; provisional claims."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from issuer.store.grid_records import FeedKey, FeedState, ProvisionalClaim, WantedPeriod
from tests.fakes.grid_slots import DAY_US, EM_DE, ENTSOE_DE, HOUR_US, NOON_US, stored
from tests.fakes.stored import NOW_US, build, issued, reservation

CLAIM = ProvisionalClaim(region="DEU", period_start_us=NOON_US, period_end_us=NOON_US + HOUR_US, it_mj=7)


async def _values(store, key=EM_DE):
    found = await store.grid.slots([key], "average", NOON_US - DAY_US, NOON_US + DAY_US)
    return [one.slot.gco2e_per_kwh for one in found]


async def _change(store, statement):
    async with store._database._writer.begin() as connection:
        await connection.execute(text(statement))


async def test_slots_come_back_as_they_were_put(store):
    slots = (
        stored(NOON_US, estimated=True, estimation_method="MODE", updated_us=5, settled=False),
        stored(NOON_US + HOUR_US),
    )
    assert await store.grid.put(slots) == 2
    assert await store.grid.slots([EM_DE], "average", NOON_US, NOON_US + 2 * HOUR_US) == slots


async def test_only_slots_that_a_period_touches_are_read(store):
    await store.grid.put([stored(NOON_US + hour * HOUR_US, str(hour)) for hour in range(4)])
    found = await store.grid.slots([EM_DE], "average", NOON_US + HOUR_US, NOON_US + 2 * HOUR_US)
    assert [one.slot.gco2e_per_kwh for one in found] == ["1"]
    across = await store.grid.slots([EM_DE], "average", NOON_US + 2 * HOUR_US - 1, NOON_US + 2 * HOUR_US + 1)
    assert [one.slot.gco2e_per_kwh for one in across] == ["1", "2"]


async def test_a_slot_of_a_whole_day_is_found_from_its_last_microsecond(store):
    await store.grid.put([stored(NOON_US, granularity="P1D")])
    assert len(await store.grid.slots([EM_DE], "average", NOON_US + DAY_US - 1, NOON_US + DAY_US)) == 1
    assert await store.grid.slots([EM_DE], "average", NOON_US + DAY_US, NOON_US + DAY_US + 1) == ()


async def test_feeds_and_signals_are_kept_apart(store):
    await store.grid.put(
        [stored(NOON_US, "1"), stored(NOON_US, "2", key=ENTSOE_DE), stored(NOON_US, "3", signal="marginal")]
    )
    found = await store.grid.slots([ENTSOE_DE, FeedKey(source="em", zone="FR")], "average", NOON_US, NOON_US + 1)
    assert [one.slot.gco2e_per_kwh for one in found] == ["2"]
    marginal = await store.grid.slots([EM_DE, ENTSOE_DE], "marginal", NOON_US, NOON_US + 1)
    assert [one.slot.gco2e_per_kwh for one in marginal] == ["3"]
    assert await store.grid.slots([], "average", NOON_US, NOON_US + 1) == ()


async def test_an_unsettled_slot_is_replaced_by_what_was_read_later(store):
    await store.grid.put([stored(NOON_US, "1", settled=False, retrieved_us=10)])
    assert await store.grid.put([stored(NOON_US, "2", settled=False, retrieved_us=11)]) == 1
    assert await _values(store) == ["2"]


@pytest.mark.parametrize("retrieved_us", [9, 10])
async def test_an_unsettled_slot_is_not_replaced_by_what_was_read_before(store, retrieved_us):
    await store.grid.put([stored(NOON_US, "1", settled=False, retrieved_us=10)])
    assert await store.grid.put([stored(NOON_US, "2", settled=False, retrieved_us=retrieved_us)]) == 0
    assert await _values(store) == ["1"]


@pytest.mark.parametrize("settled", [True, False])
async def test_a_settled_slot_is_never_replaced(store, settled):
    await store.grid.put([stored(NOON_US, "1", retrieved_us=10)])
    assert await store.grid.put([stored(NOON_US, "2", settled=settled, retrieved_us=99)]) == 0
    assert await _values(store) == ["1"]


async def test_two_processes_that_put_the_same_slots_leave_the_newest(open_store):
    first, second = open_store(), open_store()
    hours = [NOON_US + hour * HOUR_US for hour in range(20)]
    await asyncio.gather(
        first.grid.put([stored(hour, "1", settled=False, retrieved_us=10) for hour in hours]),
        second.grid.put([stored(hour, "2", settled=False, retrieved_us=11) for hour in reversed(hours)]),
    )
    assert await _values(first) == ["2"] * 20


async def test_no_sql_changes_a_settled_slot(store):
    await store.grid.put([stored(NOON_US, "1")])
    for change in ("gco2e_per_kwh = '2'", "settled_us = NULL", "licence = 'another'"):
        with pytest.raises(IntegrityError, match="a settled slot never changes"):
            await _change(store, f"UPDATE grid_slot SET {change}")
    with pytest.raises(IntegrityError, match="a settled slot is never removed"):
        await _change(store, "DELETE FROM grid_slot")
    assert await _values(store) == ["1"]


async def test_an_unsettled_slot_may_be_removed(store):
    await store.grid.put([stored(NOON_US, "1", settled=False)])
    await _change(store, "DELETE FROM grid_slot")
    assert await _values(store) == []


async def test_an_estimated_slot_cannot_be_settled(store):
    with pytest.raises(IntegrityError):
        await store.grid.put([stored(NOON_US, estimated=True)])


@pytest.mark.parametrize("by_number", [False, True])
async def test_a_plain_sqlite_connection_replaces_no_settled_slot(store, by_number):
    if not store._database.is_sqlite:
        pytest.skip("REPLACE is SQLite's")
    await store.grid.put([stored(NOON_US, "1")])
    path = str(store._database._writer.url.database)
    # Another slot that takes the first one's number, or the same slot with another figure.
    columns = "rowid, *" if by_number else "*"
    with closing(sqlite3.connect(path)) as plain:
        names = [row[1] for row in plain.execute("PRAGMA table_info(grid_slot)")]
        (row,) = plain.execute("SELECT * FROM grid_slot").fetchall()
        changed = dict(zip(names, row, strict=True)) | ({"zone": "FR", "rowid": 1} if by_number else {"licence": "x"})
        places = ", ".join("?" * len(changed))
        plain.execute(f"REPLACE INTO grid_slot ({', '.join(changed)}) VALUES ({places})", list(changed.values()))
        assert plain.execute("SELECT * FROM grid_slot").fetchall() == [row], columns


async def test_feeds_are_counted(store):
    await store.grid.put([stored(NOON_US), stored(NOON_US + HOUR_US, settled=False), stored(NOON_US, key=ENTSOE_DE)])
    assert await store.grid.counts() == {EM_DE: (2, 1), ENTSOE_DE: (1, 1)}


async def test_the_state_of_a_feed_is_the_one_noted_last(store):
    state = FeedState(key=EM_DE, next_attempt_us=5, last_failure_us=4, failure="it does not answer", failures=2)
    await store.grid_feeds.note(FeedState(key=EM_DE, next_attempt_us=1, last_success_us=1))
    await store.grid_feeds.note(state)
    assert await store.grid_feeds.all() == (state,)


async def test_a_lease_is_one_holders_until_it_runs_out(store):
    assert await store.leases.take("grid", "one", now_us=0, until_us=60)
    assert not await store.leases.take("grid", "two", now_us=59, until_us=119)
    assert await store.leases.take("grid", "one", now_us=59, until_us=119)
    assert not await store.leases.take("grid", "two", now_us=60, until_us=120)
    assert await store.leases.take("grid", "two", now_us=119, until_us=179)


async def test_a_lease_that_is_given_back_is_anybodys_and_only_its_holder_gives_it_back(store):
    assert await store.leases.take("grid", "one", now_us=0, until_us=60)
    await store.leases.give_back("grid", "two")
    assert not await store.leases.take("grid", "two", now_us=1, until_us=60)
    await store.leases.give_back("grid", "one")
    assert await store.leases.take("grid", "two", now_us=1, until_us=60)


async def test_of_many_processes_one_takes_a_lease(open_store):
    stores = [open_store() for _ in range(4)]
    taken = await asyncio.gather(
        *(one.leases.take("grid", str(number), now_us=0, until_us=60) for number, one in enumerate(stores))
    )
    assert sorted(taken) == [False, False, False, True]


async def test_a_reservation_brings_its_further_evidence_and_its_provisional_claim(store):
    credential = await issued(store, attachments={"u-slots": b"slots"}, provisional=CLAIM)
    assert await store.credentials.evidence("u-slots") == b"slots"
    ((found),) = await store.provisional.open()
    assert (found.credential_id, found.claim) == (credential.id, CLAIM)


async def test_the_same_evidence_comes_with_many_credentials(store):
    for number in range(3):
        await issued(store, inference_id=f"i-{number}", attachments={"u-slots": b"slots"})
    assert await store.credentials.evidence("u-slots") == b"slots"


async def test_a_reservation_that_is_rolled_back_leaves_no_evidence_and_no_claim(store):
    def fails(_reserved):
        raise RuntimeError("no")

    request = reservation(attachments={"u-slots": b"slots"}, provisional=CLAIM)
    with pytest.raises(RuntimeError, match="no"):
        await store.credentials.reserve(request, fails)
    assert await store.credentials.evidence("u-slots") is None
    assert await store.provisional.wanted(0, DAY_US) == ()


async def test_a_claim_is_open_once_its_credential_is_issued_and_until_it_is_closed(store):
    reserved = await store.credentials.reserve(reservation(provisional=CLAIM), build)
    assert await store.provisional.open() == ()
    await store.credentials.complete(reserved.id, b"document", NOW_US)
    assert len(await store.provisional.open()) == 1
    await store.provisional.close(reserved.id, NOW_US)
    assert await store.provisional.open() == ()
    assert await store.provisional.wanted(0, DAY_US) == ()


async def test_wanted_periods_are_few_however_many_claims_there_are(store):
    for number in range(10):
        start_us = NOON_US + number * 60_000_000
        claim = ProvisionalClaim(region="DEU", period_start_us=start_us, period_end_us=start_us + 1, it_mj=1)
        await issued(store, inference_id=f"i-{number}", provisional=claim)
    await issued(
        store,
        inference_id="other",
        provisional=ProvisionalClaim(region="FRA", period_start_us=NOON_US, period_end_us=NOON_US + 5, it_mj=1),
    )
    assert await store.provisional.wanted(NOON_US, DAY_US) == (
        WantedPeriod(region="DEU", start_us=NOON_US, end_us=NOON_US + 9 * 60_000_000 + 1),
        WantedPeriod(region="FRA", start_us=NOON_US, end_us=NOON_US + 5),
    )
    assert await store.provisional.wanted(NOON_US + DAY_US, DAY_US) == ()


async def test_regions_of_active_nodes_are_each_listed_once(store):
    assert await store.nodes.regions() == ("DE",)
    await store.nodes.revoke("acme-node")
    assert await store.nodes.regions() == ("DE",)
    await store.nodes.revoke("umbra-node")
    assert await store.nodes.regions() == ()
