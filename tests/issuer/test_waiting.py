"""Who may wait for a date that lies ahead: a few of each node, and so many in all."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from issuer.errors import OverloadedError
from issuer.waiting import Waiting
from tests.fakes.issuer import START, FixedClock

AHEAD = START + timedelta(seconds=41.5)


class Standing(FixedClock):
    """Whoever sleeps stays asleep until ``wake``."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = 0
        self.wake = asyncio.Event()

    async def sleep_until(self, moment: datetime) -> None:
        if moment > self.moment:
            self.asleep += 1
            await self.wake.wait()


class Sleepers:
    """A clock, and tasks that wait by it."""

    def __init__(self, **limits: int) -> None:
        self.clock = Standing()
        self.waiting = Waiting(self.clock, **limits)
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self, count: int, who: str, date: datetime = AHEAD) -> None:
        self.tasks += [asyncio.create_task(self.waiting.until(date, who)) for _ in range(count)]
        await asyncio.sleep(0)

    async def end(self) -> None:
        self.clock.wake.set()
        await asyncio.gather(*self.tasks)


async def test_a_node_has_a_few_that_wait_and_is_told_when_to_come_back():
    sleepers = Sleepers(per_node=2)
    await sleepers.start(2, "node-7")
    with pytest.raises(OverloadedError, match="ahead of the issuer's clock") as caught:
        await sleepers.waiting.until(AHEAD, "node-7")
    assert caught.value.retry_after_s == 42
    await sleepers.start(1, "node-8")
    assert sleepers.clock.asleep == 3
    await sleepers.end()


async def test_all_nodes_together_have_no_more_than_the_worker_can_spare():
    sleepers = Sleepers(in_all=3)
    for number in range(3):
        await sleepers.start(1, f"node-{number}")
    with pytest.raises(OverloadedError):
        sleepers.waiting.check(AHEAD, "node-3")
    await sleepers.end()


async def test_a_wait_of_a_moment_does_not_count():
    sleepers = Sleepers(per_node=1)
    soon = START + timedelta(seconds=1)
    await sleepers.start(5, "node-7", soon)
    await sleepers.start(1, "node-7")
    await sleepers.start(5, "node-7", soon)
    assert sleepers.clock.asleep == 11
    await sleepers.end()


async def test_who_has_waited_or_gone_away_makes_room():
    sleepers = Sleepers(per_node=1)
    await sleepers.start(1, "node-7")
    sleepers.tasks.pop().cancel()
    await asyncio.sleep(0)
    await sleepers.start(1, "node-7")
    await sleepers.end()
    sleepers.waiting.check(AHEAD, "node-7")
    assert not sleepers.waiting._waiting


async def test_a_date_that_has_come_is_not_waited_for():
    sleepers = Sleepers(per_node=0)
    await sleepers.waiting.until(START, "node-7")
    assert sleepers.clock.asleep == 0
