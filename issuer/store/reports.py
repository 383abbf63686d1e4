"""What a report reads: the sums of one slot of time, and by which credentials they came about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import text

from issuer.store.amounts import Amounts, Key
from issuer.store.database import AsyncConnection, Database
from issuer.store.selections import Selection
from issuer.store.sum_queries import Overlapping
from issuer.store.sums import counted_credentials, sum_lines
from schemas import digests


class Entry(Struct, frozen=True, kw_only=True):
    """One sum of a slot. ``credentials`` is how many it came about by, ``digest`` the SHA-256 (multihash) over their ids.

    That is over the last part of each credential's id (a UUID) and a line feed, in ascending order; one whose inference
    is in a window's share and counts elsewhere has a hyphen before it.
    """

    key: Key
    amounts: Amounts
    credentials: int
    digest: str


class Reports:
    """Sums for reports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def slot(
        self, tenant_id: str | None, start_us: int, end_us: int, *, model_id: str | None = None, per: Sequence[str] = ()
    ) -> tuple[Entry, ...]:
        """Return the sums of [start, end), in the order of their keys. ``per``: of "tenant_id", "model_id", "node_id".

        Of what lasted beyond it, its part by time: slots that follow each other add up to what there was, exactly.
        Raises OverloadedError, UnavailableError.
        """
        selection, when, per = Selection(tenant_id, model_id=model_id), Overlapping(start_us, end_us), tuple(per)
        async with self._database.list_rows(tenant_id) as connection:
            await self._hold(connection)
            lines = await sum_lines(connection, selection, when, per)
            if not lines:
                return ()
            hashes: dict[Key, tuple[int, Any]] = {line.key: (0, hashlib.sha256()) for line in lines}
            async for one in counted_credentials(connection, selection, when, per):
                if one.key in hashes:
                    count, running = hashes[one.key]
                    running.update(f"{'-' if one.taken_off else ''}{one.credential_id}\n".encode())
                    hashes[one.key] = count + 1, running
        entries = [
            Entry(key=key, amounts=amounts, credentials=hashes[key][0], digest=digests.encode(hashes[key][1].digest()))
            for key, amounts in lines
        ]
        return tuple(sorted(entries, key=lambda entry: tuple(value or "" for value in entry.key)))

    async def _hold(self, connection: AsyncConnection) -> None:
        # All queries of a slot see the same rows; in SQLite each transaction does.
        if not self._database.is_sqlite:
            await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
