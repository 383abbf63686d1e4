"""Rates of requests, and the room that requests have."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import strict_json
from schemas.errors import ResourceLimitError
from verifier.errors import OverloadedError
from verifier.http.errors import RateLimitedError
from verifier.http.limits import RateLimit, Room, address_identity, parsed_bytes


class Seconds:
    """A monotonic clock that stands."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Seconds()


def _limit(per_minute, clock, **settings):
    return RateLimit(per_minute, monotonic_s=clock, **settings)


def _passes(limit, identity="a"):
    return limit.wait_s(identity) == 0


def test_a_minutes_worth_may_come_at_once_and_no_more(clock):
    limit = _limit(100, clock)
    assert [_passes(limit) for _ in range(101)] == [True] * 100 + [False]


def test_a_used_up_budget_refills_one_by_one(clock):
    limit = _limit(60, clock)
    while _passes(limit):
        pass
    clock.now_s += 0.9
    assert not _passes(limit)
    clock.now_s += 0.2
    assert _passes(limit)
    assert not _passes(limit)


def test_what_is_refused_costs_nothing(clock):
    limit = _limit(1, clock)
    assert _passes(limit)
    assert not any(_passes(limit) for _ in range(1000))
    clock.now_s += 60
    assert _passes(limit)


def test_each_identity_has_a_budget_of_its_own(clock):
    limit = _limit(1, clock)
    assert _passes(limit, "a")
    assert _passes(limit, "b")
    assert not _passes(limit, "a")


def test_the_wait_that_is_told_is_long_enough(clock):
    limit = _limit(7, clock)
    assert [limit.wait_s("a") for _ in range(7)] == [0] * 7
    wait_s = limit.wait_s("a")
    assert 1 <= wait_s <= 60
    clock.now_s += wait_s
    assert limit.wait_s("a") == 0


def test_memory_is_bounded_and_the_longest_unseen_is_forgotten(clock):
    limit = _limit(1, clock, most_identities=10)
    for number in range(1000):
        limit.wait_s(str(number))
    assert len(limit) == 10
    assert not _passes(limit, "999")
    assert _passes(limit, "0")


@given(per_minute=st.integers(1, 10_000), seconds=st.lists(st.floats(0, 30), max_size=60))
def test_never_more_than_two_minutes_worth_in_any_minute(per_minute, seconds):
    clock = Seconds()
    limit = _limit(per_minute, clock)
    taken = []
    for pause in seconds:
        clock.now_s += pause
        if _passes(limit):
            taken.append(clock.now_s)
    for start in taken:
        assert sum(start <= moment < start + 60 for moment in taken) <= 2 * per_minute


@pytest.mark.parametrize(
    ("address", "identity"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_host_is_limited_by_its_network(address, identity):
    assert address_identity(address) == identity


def test_what_a_request_took_is_free_again_at_its_end():
    room = Room(100, small_bytes=100)
    with room.share() as share:
        share.take(60)
        share.take(40)
        assert room.taken_bytes == 100
    assert room.taken_bytes == 0


def test_where_there_is_no_room_nothing_more_is_taken():
    room = Room(100, small_bytes=100)
    with room.share() as first, room.share() as second:
        first.take(60)
        with pytest.raises(OverloadedError):
            second.take(41)
        second.take(40)


def test_what_never_fits_is_told_apart_from_what_does_not_fit_now():
    with Room(100, small_bytes=100).share() as share, pytest.raises(ResourceLimitError):
        share.take(101)


def test_large_shares_leave_a_quarter_to_the_small_ones():
    room = Room(100, small_bytes=10)
    with room.share() as large, room.share() as another, room.share() as small:
        large.take(70)
        with pytest.raises(OverloadedError):
            another.take(11)
        small.take(10)


async def test_who_waits_gets_the_room_of_who_leaves():
    room = Room(100, small_bytes=100)
    with room.share() as waiting:
        with room.share() as leaving:
            leaving.take(90)
            task = asyncio.create_task(waiting.wait_for(50, timeout_s=30))
            await asyncio.sleep(0)
            assert not task.done()
        await task
        assert room.taken_bytes == 50


async def test_who_waits_too_long_is_sent_away():
    room = Room(100, small_bytes=100)
    with room.share() as leaving, room.share() as waiting:
        leaving.take(90)
        with pytest.raises(OverloadedError):
            await waiting.wait_for(50, timeout_s=0.01)
    assert room.taken_bytes == 0


@pytest.mark.parametrize(
    "item",
    [
        b"[]",
        b"{}",
        b'{"a":1}',
        b"1.5",
        b"999999999999",
        b'"ab"',
        '"é"'.encode(),
        '"\U0001f600a"'.encode(),
        b'"\\u4e00"',
    ],
    ids=repr,
)
def test_the_memory_of_a_document_is_not_estimated_too_low(item):
    raw = b"[" + b",".join([item] * 20_000) + b"]"
    tracemalloc.start()
    value = strict_json.parse(raw, max_bytes=16 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(value) == 20_000
    assert peak < parsed_bytes(raw)


def test_the_memory_of_members_with_names_of_their_own_is_not_estimated_too_low():
    objects = (
        b"{" + b",".join(b'"%x":%d.5' % (n, n) for n in range(start, start + 40)) + b"}"
        for start in range(0, 20_000, 40)
    )
    raw = b"[" + b",".join(objects) + b"]"
    tracemalloc.start()
    value = strict_json.parse(raw, max_bytes=16 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert value
    assert peak < parsed_bytes(raw)


def test_who_asks_too_often_is_told_who_and_when_to_come_back(clock):
    limit = _limit(2, clock, subject="API key")
    limit.take("a")
    limit.take("a")
    with pytest.raises(RateLimitedError, match="2 requests a minute for this API key") as refused:
        limit.take("a")
    assert refused.value.headers == {"retry-after": "30"}


def test_one_can_ask_whether_there_is_room_and_take_it(clock):
    limit = _limit(1, clock, subject="node")
    assert limit.has_room("a")
    assert not limit.has_room("a")
    assert limit.has_room("b")
