"""How asking the sources went, and which of many processes asks: so that the command line and the others see it."""

from __future__ import annotations

import msgspec
from sqlalchemy import delete, or_, select

from issuer.store.database import Database
from issuer.store.grid_models import GRID_FEED, LEASE
from issuer.store.grid_records import FeedKey, FeedState


class GridFeeds:
    """The state of every zone of every source that was asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[FeedState, ...]:
        """Return the state of each feed, by source and zone."""
        query = select(GRID_FEED).order_by(GRID_FEED.c.source, GRID_FEED.c.zone)
        async with self._database.read() as connection:
            found = (await connection.execute(query)).mappings().all()
        states = []
        for row in found:
            columns = dict(row)
            key = FeedKey(source=columns.pop("source"), zone=columns.pop("zone"))
            states.append(FeedState(key=key, **columns))
        return tuple(states)

    async def note(self, state: FeedState) -> None:
        """Keep the state of a feed in place of the one before."""
        columns = msgspec.structs.asdict(state)
        del columns["key"]
        insert = self._database.insert(GRID_FEED).values(source=state.key.source, zone=state.key.zone, **columns)
        async with self._database.write() as connection:
            await connection.execute(insert.on_conflict_do_update(index_elements=["source", "zone"], set_=columns))


class Leases:
    """Works that one of many processes does at a time, by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, name: str, holder: str, *, now_us: int, until_us: int) -> bool:
        """Return whether ``holder`` has the lease until ``until_us``: it is free, has run out, or was its own already."""
        insert = self._database.insert(LEASE).values(name=name, holder=holder, until_us=until_us)
        mine = or_(LEASE.c.holder == holder, LEASE.c.until_us <= now_us)
        async with self._database.write() as connection:
            done = await connection.execute(
                insert.on_conflict_do_update(
                    index_elements=["name"], set_={"holder": holder, "until_us": until_us}, where=mine
                )
            )
        return done.rowcount == 1

    async def give_back(self, name: str, holder: str) -> None:
        """End the lease, if it is ``holder``'s."""
        async with self._database.write() as connection:
            await connection.execute(delete(LEASE).where(LEASE.c.name == name, LEASE.c.holder == holder))
