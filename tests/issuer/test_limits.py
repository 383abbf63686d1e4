"""Rate limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.http.errors import RateLimitedError
from issuer.limits import RateLimit, address_identity


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
    return RateLimit(per_minute, subject="API key", monotonic_s=clock, **settings)


def _passes(limit, identity="a"):
    try:
        limit.take(identity)
    except RateLimitedError:
        return False
    return True


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
    for _ in range(7):
        limit.take("a")
    with pytest.raises(RateLimitedError) as refused:
        limit.take("a")
    clock.now_s += refused.value.retry_after_s
    limit.take("a")
    assert refused.value.headers == {"retry-after": str(refused.value.retry_after_s)}


def test_memory_is_bounded_and_the_longest_unseen_is_forgotten(clock):
    limit = _limit(1, clock, most_identities=10)
    for number in range(1000):
        limit.take(str(number))
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
