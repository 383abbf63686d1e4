"""Threads for one kind of work: no other kind waits for it, and nobody waits for long."""

import asyncio
import threading
from contextlib import contextmanager

import pytest

from verifier.errors import ExpiredError, OverloadedError
from verifier.http.threads import Threads


def threads(count=1, *, queue_timeout_s=0.05, name="kind"):
    return Threads(count, name=name, queue_timeout_s=queue_timeout_s)


@contextmanager
def held():
    """Give work that ends when the block does, and an event that says that it has begun."""
    begun, released = threading.Event(), threading.Event()

    def work():
        begun.set()
        assert released.wait(30)
        return "done"

    try:
        yield work, begun
    finally:
        released.set()


async def begins(begun):
    assert await asyncio.get_running_loop().run_in_executor(None, begun.wait, 30)


async def test_work_is_done_in_a_thread_of_its_kind():
    assert (await threads(name="kind").run(lambda: threading.current_thread().name)).startswith("kind")


async def test_what_work_raises_comes_through():
    def work():
        raise ExpiredError("over")

    with pytest.raises(ExpiredError):
        await threads().run(work)


async def test_work_of_one_kind_does_not_keep_another_waiting():
    one, other = threads(2, queue_timeout_s=30), threads()
    with held() as (work, begun):
        busy = [asyncio.create_task(one.run(work)) for _ in range(50)]
        await begins(begun)
        assert await other.run(lambda: "at once") == "at once"
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


async def test_who_finds_no_thread_free_in_time_is_told_to_come_back():
    one = threads()
    with held() as (work, begun):
        busy = asyncio.create_task(one.run(work))
        await begins(begun)
        with pytest.raises(OverloadedError):
            await one.run(lambda: "never")
    assert await busy == "done"
    assert await one.run(lambda: "again") == "again"


async def test_a_thread_whose_caller_gave_up_is_not_free_before_its_work_ends():
    one = threads()
    with held() as (work, begun):
        busy = asyncio.create_task(one.run(work))
        await begins(begun)
        busy.cancel()
        with pytest.raises(asyncio.CancelledError):
            await busy
        with pytest.raises(OverloadedError):
            await one.run(lambda: "never")
    later = threads(queue_timeout_s=30)
    later._threads, later._free = one._threads, one._free
    assert await later.run(lambda: "again") == "again"


async def test_an_error_that_nobody_waits_for_any_more_is_no_complaint(caplog):
    one = threads()
    begun, released = threading.Event(), threading.Event()

    def work():
        begun.set()
        released.wait(30)
        raise ExpiredError("over")

    busy = asyncio.create_task(one.run(work))
    await begins(begun)
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)
    del busy
    released.set()
    await asyncio.get_running_loop().run_in_executor(one._threads, lambda: None)
    await asyncio.sleep(0)
    assert not caplog.records
