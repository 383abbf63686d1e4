"""The audit log, newest first."""

import pytest

from tests.fakes.stored import NOW_US


async def _append(store, count):
    for number in range(count):
        await store.log.append(NOW_US + number, "admin", "invite", f"node-{number % 2}", f"entry {number}")


async def test_an_entry_comes_back_as_it_was_appended(store):
    await store.log.append(NOW_US, "admin", "invite", "node-7", "for acme")
    (entry,) = await store.log.page()
    assert (entry.at_us, entry.actor, entry.action) == (NOW_US, "admin", "invite")
    assert (entry.target, entry.detail) == ("node-7", "for acme")


async def test_pages_go_back_without_gap_or_repetition(store):
    await _append(store, 5)
    first = await store.log.page(limit=2)
    await store.log.append(NOW_US, "admin", "invite", "late", "")
    rest = await store.log.page(limit=10, before_id=first[-1].id)
    assert [entry.detail for entry in (*first, *rest)] == [f"entry {n}" for n in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_limit_below_one_counts_as_one(store, limit):
    await _append(store, 2)
    assert len(await store.log.page(limit=limit)) == 1


async def test_entries_of_one_target_can_be_asked_for(store):
    await _append(store, 4)
    assert [entry.detail for entry in await store.log.page(target="node-1")] == ["entry 3", "entry 1"]
