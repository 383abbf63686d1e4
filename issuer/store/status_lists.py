"""Giving out status indexes: random, free, never twice; the next list when one is full.

Blocks of indexes for many reservations at once can be given out behind ``allocate`` without a change elsewhere.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from sqlalchemy import select, update

from issuer.store.database import AsyncConnection, Database, Randomness
from issuer.store.errors import UnavailableError
from issuer.store.models import STATUS_ENTRY, STATUS_LIST

_LIST = STATUS_LIST.c
_DRAWS: Final = 32
_ROLL_OVERS: Final = 8
_BITS_PER_BYTE: Final = 8


class Slot(Struct, frozen=True):
    """One index of one status list."""

    list_id: str
    index: int


class StatusLists:
    """The open status list of each issuer. ``size`` in bits; ``fill_limit`` is the share that is given out."""

    def __init__(self, database: Database, randomness: Randomness, *, size: int, fill_limit: float) -> None:
        if size < _BITS_PER_BYTE or size % _BITS_PER_BYTE or not 0 < fill_limit <= 1:
            raise ValueError("a status list has a multiple of 8 bits, and a fill limit above 0 and up to 1")
        self._database = database
        self._randomness = randomness
        self._size = size
        self._capacity = max(1, int(size * fill_limit))

    async def allocate(self, connection: AsyncConnection, issuer_slug: str, credential_id: str, now_us: int) -> Slot:
        """Return a random free index of the issuer's open list, taken within the caller's transaction."""
        list_id, size = await self._open_list(connection, issuer_slug, now_us)
        for _ in range(_DRAWS):
            slot = Slot(list_id, self._randomness.randrange(size))
            if await self._take(connection, slot, credential_id):
                return slot
        # With at most half of a list given out, this is reached once in 2^32; with a fuller list, more often.
        taken = await _taken(connection, list_id)
        free = [index for index in range(size) if index not in taken]
        slot = Slot(list_id, free[self._randomness.randrange(len(free))])
        if not await self._take(connection, slot, credential_id):
            raise UnavailableError("another process took the last free status index; try again")
        return slot

    async def _take(self, connection: AsyncConnection, slot: Slot, credential_id: str) -> bool:
        insert = self._database.insert(STATUS_ENTRY).values(
            list_id=slot.list_id, idx=slot.index, credential_id=credential_id
        )
        done = await connection.execute(insert.on_conflict_do_nothing(index_elements=["list_id", "idx"]))
        return done.rowcount == 1

    async def _open_list(self, connection: AsyncConnection, issuer_slug: str, now_us: int) -> tuple[str, int]:
        newest = select(_LIST.id).where(_LIST.issuer_slug == issuer_slug).order_by(_LIST.number.desc()).limit(1)
        count = (
            update(STATUS_LIST)
            .where(_LIST.id == newest.scalar_subquery(), _LIST.closed_us.is_(None), _LIST.allocated < _LIST.capacity)
            .values(allocated=_LIST.allocated + 1)
            .returning(_LIST.id, _LIST.size)
        )
        for _ in range(_ROLL_OVERS):
            row = (await connection.execute(count)).first()
            if row is not None:
                return row.id, row.size
            await self._roll_over(connection, issuer_slug, now_us)
        raise UnavailableError("status lists fill faster than new ones open; try again")

    async def _roll_over(self, connection: AsyncConnection, issuer_slug: str, now_us: int) -> None:
        query = select(STATUS_LIST).where(_LIST.issuer_slug == issuer_slug).order_by(_LIST.number.desc()).limit(1)
        newest = (await connection.execute(query)).first()
        if newest is not None and newest.closed_us is None:
            if newest.allocated < newest.capacity:
                return  # another process has opened it meanwhile
            close = update(STATUS_LIST).where(_LIST.id == newest.id, _LIST.closed_us.is_(None))
            await connection.execute(close.values(closed_us=now_us))
        # The number is what two processes agree on. The id is random: after an old backup was restored, a list
        # opened anew never has the URL of one that was lost.
        insert = self._database.insert(STATUS_LIST).values(
            id=f"{self._randomness.getrandbits(64):016x}",
            issuer_slug=issuer_slug,
            number=1 if newest is None else newest.number + 1,
            size=self._size,
            capacity=self._capacity,
            allocated=0,
            version=0,
            created_us=now_us,
            changed_us=now_us,
        )
        await connection.execute(insert.on_conflict_do_nothing(index_elements=["issuer_slug", "number"]))


async def _taken(connection: AsyncConnection, list_id: str) -> set[int]:
    query = select(STATUS_ENTRY.c.idx).where(STATUS_ENTRY.c.list_id == list_id)
    return {row.idx for row in await connection.execute(query)}
