"""Threads for one kind of work, so that no other kind waits for it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from verifier.errors import OverloadedError

T = TypeVar("T")


class Threads:
    """A number of threads for work that takes long, and a queue before them that nobody stands in for long.

    The event loop's own threads are few and everybody's: a handful of documents that cost seconds each would keep
    all else waiting that needs a thread, were they judged there.
    """

    def __init__(self, count: int, *, name: str, queue_timeout_s: float) -> None:
        """Take how many threads there are, their name, and how long work may wait for one."""
        self._threads = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._free = asyncio.Semaphore(count)
        self._queue_timeout_s = queue_timeout_s

    async def run(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns, or raise what it raises. Raises OverloadedError where no thread is free in time."""
        try:
            async with asyncio.timeout(self._queue_timeout_s):
                await self._free.acquire()
        except TimeoutError as error:
            raise OverloadedError("the service is busy with other verifications; come back later") from error
        # What is logged there names the request too.
        done = asyncio.get_running_loop().run_in_executor(self._threads, contextvars.copy_context().run, work)
        # The thread is free when the work ends, not when whoever waits for it gives up.
        done.add_done_callback(self._released)
        return await asyncio.shield(done)

    def _released(self, done: asyncio.Future[T]) -> None:
        self._free.release()
        # Looked at, so that nobody misses an error which nobody waits for any more.
        if not done.cancelled():
            done.exception()
