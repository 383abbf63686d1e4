"""Indexes are random, free, and never given out twice; full lists roll over."""

import pytest

from issuer.store import Store
from issuer.store.status_lists import StatusLists
from tests.fakes.stored import build, issued, reservation


class _Always:
    """Randomness that draws the same index each time: every draw after the first collides."""

    def __init__(self):
        self.bits = 0

    def getrandbits(self, k):
        self.bits += 1
        return self.bits

    def randrange(self, stop):
        return 0


async def _reserve(store, count):
    return [await store.credentials.reserve(reservation(inference_id=f"i{number}"), build) for number in range(count)]


async def test_the_first_reservation_opens_a_list(store):
    reserved = (await _reserve(store, 1))[0]
    (status_list,) = await store.status.lists("root")
    assert status_list.id == reserved.list_id
    assert (status_list.size, status_list.capacity, status_list.allocated) == (1024, 512, 1)


async def test_no_index_is_given_out_twice(open_store):
    store = open_store(list_size=64, fill_limit=1.0)
    reserved = await _reserve(store, 64)
    assert sorted(one.index for one in reserved) == list(range(64))
    assert len({one.list_id for one in reserved}) == 1


async def test_a_list_rolls_over_at_its_fill_limit(open_store):
    store = open_store(list_size=16, fill_limit=0.25)
    reserved = await _reserve(store, 10)
    lists = await store.status.lists("root")
    assert [one.allocated for one in lists] == [4, 4, 2]
    assert [one.closed_us is None for one in lists] == [False, False, True]
    assert [one.list_id for one in reserved] == [one.id for one in lists for _ in range(one.allocated)]


async def test_a_full_list_stays_published(open_store):
    store = open_store(list_size=8, fill_limit=0.25)
    first = await issued(store, inference_id="first")
    await _reserve(store, 4)
    await store.status.revoke(first.id, "late", "auditor", 1, tenant_id=None)
    assert any(await store.status.bits(first.list_id, "revocation"))


async def test_unlucky_draws_still_find_the_free_indexes(open_store):
    store = open_store(list_size=8, fill_limit=1.0, randomness=_Always())
    assert sorted(one.index for one in await _reserve(store, 8)) == list(range(8))


async def test_indexes_do_not_tell_the_order_of_issuing(store):
    indexes = [one.index for one in await _reserve(store, 30)]
    assert indexes != sorted(indexes)
    assert max(indexes) - min(indexes) > 300


async def test_each_issuer_has_lists_of_its_own(store):
    await store.issuers.add("lab", "did:web:example.com:issuers:lab", "Lab", now_us=1)
    await store.tenants.add("zeta", "lab", "Zeta", now_us=1)
    mine = (await _reserve(store, 1))[0]
    theirs = await store.credentials.reserve(reservation(issuer_slug="lab", tenant_id="zeta"), build)
    assert mine.list_id != theirs.list_id


async def test_ids_of_lists_say_nothing_and_are_random(store, open_store):
    other = open_store(list_size=8, fill_limit=0.25)
    lists = {one.list_id for one in await _reserve(other, 6)}
    assert len(lists) == 3
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in lists)


@pytest.mark.parametrize(("size", "fill_limit"), [(0, 0.5), (12, 0.5), (1024, 0), (1024, 1.5)])
async def test_sizes_that_cannot_be_published_are_refused(store, size, fill_limit):
    with pytest.raises(ValueError, match="multiple of 8"):
        StatusLists(store._database, _Always(), size=size, fill_limit=fill_limit)


def test_lists_are_as_long_as_the_standard_asks(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path / 'green.db'}")
    assert store.credentials._lists._size == 131_072
    assert store.credentials._lists._capacity == 65_536
