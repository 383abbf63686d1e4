"""Slots of the grid's data: a settled one is never replaced, another one by what was read later.

``put`` has made what it wrote durable when it returns; whoever brings the same slots again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import RowMapping, and_, func, or_, select

from issuer.store.database import Database
from issuer.store.grid_models import GRID_SLOT
from issuer.store.grid_records import FeedKey, Signal, SlotKind, StoredSlot
from schemas.grid_data import GRANULARITIES_US, GridSlot

_KEY: Final = ("source", "zone", "signal", "factor_type", "granularity", "start_us")
_LONGEST_US: Final = max(GRANULARITIES_US.values())
_CHUNK: Final = 500
"""Rows of one transaction: a backfill of months holds up no intake."""


class Grid:
    """The slots of all sources."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, slots: Sequence[StoredSlot]) -> int:
        """Keep slots and return how many of them are new or changed; in order of their keys, 500 in a transaction."""
        rows = sorted((_columns(slot) for slot in slots), key=lambda row: tuple(str(row[name]) for name in _KEY))
        changed = 0
        for start in range(0, len(rows), _CHUNK):
            changed += await self._put(rows[start : start + _CHUNK])
        return changed

    async def _put(self, rows: Sequence[dict[str, object]]) -> int:
        insert = self._database.insert(GRID_SLOT)
        upsert = insert.on_conflict_do_update(
            index_elements=_KEY,
            set_={column.name: insert.excluded[column.name] for column in GRID_SLOT.c if column.name not in _KEY},
            where=GRID_SLOT.c.settled_us.is_(None) & (insert.excluded.retrieved_us > GRID_SLOT.c.retrieved_us),
        )
        async with self._database.write() as connection:
            # One by one: only so does each driver say whether a row was changed.
            return sum([(await connection.execute(upsert.values(row))).rowcount for row in rows])

    async def slots(
        self, feeds: Sequence[FeedKey], signal: Signal, start_us: int, end_us: int
    ) -> tuple[StoredSlot, ...]:
        """Return the slots of some feeds that touch [``start_us``, ``end_us``), by source, kind and start."""
        if not feeds:
            return ()
        row = GRID_SLOT.c
        touching = (
            row.signal == signal,
            # The first of both lets the primary key's index find them.
            row.start_us > start_us - _LONGEST_US,
            row.start_us < end_us,
            row.end_us > start_us,
        )
        named = or_(*(and_(row.source == key.source, row.zone == key.zone) for key in feeds))
        query = select(GRID_SLOT).where(named, *touching)
        async with self._database.read() as connection:
            found = (await connection.execute(query.order_by(*(row[name] for name in _KEY)))).mappings().all()
        return tuple(_stored(one) for one in found)

    async def counts(self) -> dict[FeedKey, tuple[int, int]]:
        """Return how many slots each feed has, and how many of them are settled."""
        row = GRID_SLOT.c
        query = select(row.source, row.zone, func.count(), func.count(row.settled_us)).group_by(row.source, row.zone)
        async with self._database.list_rows(None) as connection:
            found = (await connection.execute(query)).all()
        return {FeedKey(source=one[0], zone=one[1]): (one[2], one[3]) for one in found}


def _columns(stored: StoredSlot) -> dict[str, object]:
    columns = msgspec.structs.asdict(stored.kind) | msgspec.structs.asdict(stored.slot)
    return columns | {"source": stored.source, "settled_us": stored.settled_us}


def _stored(row: RowMapping) -> StoredSlot:
    columns = dict(row)
    return StoredSlot(
        source=columns["source"],
        kind=SlotKind(**{name: columns[name] for name in SlotKind.__struct_fields__}),
        slot=GridSlot(**{name: columns[name] for name in GridSlot.__struct_fields__}),
        settled_us=columns["settled_us"],
    )
