"""What intake reads of the grid: little, seldom, and never stale for long."""

from __future__ import annotations

import pytest

from issuer.carbon.choose import Period
from issuer.carbon.known import FRESH_S, KnownGrid
from issuer.errors import UnknownRegionError
from tests.fakes.grid_provider import FakeProvider, sources
from tests.fakes.grid_slots import DAY_US, HOUR_US, NOON_US, stored


class Counting:
    """The store's slots, counted as they are read."""

    def __init__(self, grid):
        self._grid = grid
        self.reads = 0

    async def slots(self, *arguments):
        self.reads += 1
        return await self._grid.slots(*arguments)


@pytest.fixture
def reads(store):
    return Counting(store.grid)


@pytest.fixture
def elapsed():
    return [0.0]


@pytest.fixture
def known(reads, elapsed):
    given = sources(("DEU", ["em:DE", "other:DE"]), em=FakeProvider(), other=FakeProvider())
    return KnownGrid(reads, given, elapsed_s=lambda: elapsed[0])


def _claim(found):
    return found.chosen(Period(start_us=NOON_US, end_us=NOON_US + 1, it_mj=1), NOON_US + 5 * DAY_US).factor


async def test_a_busy_hour_is_read_once_in_a_while(known, reads, elapsed):
    for number in range(50):
        await known.of("DE", NOON_US + number, NOON_US + number + 1)
    assert reads.reads == 1
    elapsed[0] = FRESH_S
    await known.of("DE", NOON_US, NOON_US + 1)
    assert reads.reads == 2


async def test_what_was_stored_meanwhile_is_seen_after_a_while_or_at_once_when_told(known, store, elapsed):
    assert _claim(await known.of("DEU", NOON_US, NOON_US + 1)).tier == "country-annual"
    await store.grid.put([stored(NOON_US)])
    assert _claim(await known.of("DEU", NOON_US, NOON_US + 1)).tier == "country-annual"
    known.forget()
    assert _claim(await known.of("DEU", NOON_US, NOON_US + 1)).tier == "history"


async def test_another_hour_is_read_for_itself(known, store):
    await store.grid.put([stored(NOON_US), stored(NOON_US + HOUR_US)])
    await known.of("DEU", NOON_US, NOON_US + 1)
    across = await known.of("DEU", NOON_US + HOUR_US - 1, NOON_US + HOUR_US + 1)
    assert sum(map(len, across.stored.values())) == 2


async def test_a_region_without_a_cascade_is_not_read_of(known, reads, store):
    assert (await known.of("FRA", NOON_US, NOON_US + 1)).feeds == ()
    assert (await KnownGrid(reads).of("DEU", NOON_US, NOON_US + 1)).feeds == ()
    assert reads.reads == 0


async def test_a_region_that_no_table_has_is_refused(known):
    with pytest.raises(UnknownRegionError):
        (await known.of("Atlantis", NOON_US, NOON_US + 1))


async def test_what_is_kept_at_hand_is_bounded(known):
    for hour in range(300):
        await known.of("DEU", NOON_US + hour * HOUR_US, NOON_US + hour * HOUR_US + 1)
    assert len(known._read) <= 64


async def test_a_final_claim_is_nothing_to_choose_again(known, store):
    period = Period(start_us=None, end_us=NOON_US + 1, it_mj=5)
    await store.grid.put([stored(NOON_US)])
    found = await known.of("DE", None, NOON_US + 1)
    assert found.provisional(found.chosen(period, NOON_US + 5 * DAY_US), period) is None
    later = await known.of("DE", None, NOON_US + HOUR_US + 1)
    of = Period(start_us=None, end_us=NOON_US + HOUR_US + 1, it_mj=5)
    claim = later.provisional(later.chosen(of, NOON_US + 5 * DAY_US), of)
    assert (claim.region, claim.period_start_us, claim.period_end_us, claim.it_mj) == (
        "DE",
        NOON_US + HOUR_US,
        NOON_US + HOUR_US + 1,
        5,
    )
