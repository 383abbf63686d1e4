"""A few places for each identity: what one tenant or node may have in work at once, so that the others get on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from issuer.errors import OverloadedError

WAIT_S: Final = 2.0
"""How long one waits for a place: a burst of a few is served, a flood is turned away soon."""


class Turns:
    """``each`` places for every identity and ``most`` in all. Who finds none in time is turned away.

    With ``line``, at once whoever finds as many of the same identity waiting.
    """

    def __init__(self, what: str, *, each: int, most: int, wait_s: float = WAIT_S, line: int | None = None) -> None:
        """Take the words for what is in work ("listings"), the places, and how long one waits for one, in seconds."""
        self._what = what
        self._each = each
        self._all = asyncio.Semaphore(most)
        self._wait_s = wait_s
        self._present_at_most = None if line is None else each + line
        self._own: dict[str, asyncio.Semaphore] = {}
        self._present: Counter[str] = Counter()

    @asynccontextmanager
    async def of(self, identity: str) -> AsyncIterator[None]:
        """Hold a place of ``identity`` in the block. Raises OverloadedError where none becomes free in time."""
        if self._present_at_most is not None and self._present[identity] >= self._present_at_most:
            raise self._too_many()
        own = self._own.setdefault(identity, asyncio.Semaphore(self._each))
        self._present[identity] += 1
        try:
            await self._take(own)
            try:
                yield
            finally:
                self._all.release()
                own.release()
        finally:
            self._present[identity] -= 1
            if not self._present[identity]:
                # Nobody has a place or waits for one: identities come and go, and must not add up.
                del self._present[identity], self._own[identity]

    async def _take(self, own: asyncio.Semaphore) -> None:
        # One's own place first: who waits for that stands in nobody else's way.
        try:
            async with asyncio.timeout(self._wait_s):
                await own.acquire()
                try:
                    await self._all.acquire()
                except BaseException:
                    own.release()
                    raise
        except TimeoutError as error:
            raise self._too_many() from error

    def _too_many(self) -> OverloadedError:
        return OverloadedError(f"too many {self._what} at once; wait, then send the request again")
