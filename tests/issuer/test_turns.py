"""A few places for each: who has too much in work waits, or is turned away, and stands in nobody else's way."""

from __future__ import annotations

import asyncio

import pytest

from issuer.errors import OverloadedError
from issuer.turns import Turns


def turns(each: int = 1, most: int = 2, wait_s: float = 0.01) -> Turns:
    return Turns("listings", each=each, most=most, wait_s=wait_s)


async def test_who_has_all_its_places_is_turned_away_and_others_are_not():
    places = turns()
    async with places.of("acme"):
        with pytest.raises(OverloadedError, match="too many listings"):
            async with places.of("acme"):
                pass
        async with places.of("umbra"):
            pass


async def test_all_together_have_no_more_places_than_there_are():
    places = turns()
    async with places.of("acme"), places.of("umbra"):
        with pytest.raises(OverloadedError):
            async with places.of("third"):
                pass


async def test_who_waits_for_its_own_place_takes_none_of_the_others():
    places = turns(wait_s=30)
    async with places.of("acme"):
        waiting = [asyncio.create_task(places.of("acme").__aenter__()) for _ in range(5)]
        await asyncio.sleep(0)
        async with asyncio.timeout(10), places.of("umbra"):
            pass
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_place_that_becomes_free_goes_to_who_waits():
    places, order = turns(wait_s=30), []

    async def work(number: int) -> None:
        async with places.of("acme"):
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(5)))
    assert order == [0, 1, 2, 3, 4]


async def test_an_error_in_the_block_gives_the_place_back():
    places = turns(most=1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            async with places.of("acme"):
                raise ZeroDivisionError


async def test_identities_do_not_add_up():
    places = turns()
    for number in range(100):
        async with places.of(f"tenant-{number}"):
            pass
    assert not places._own
    assert not places._present
