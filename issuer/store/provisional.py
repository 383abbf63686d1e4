"""Credentials whose carbon intensity is not the last word: written with their reservation, closed when superseded."""

from __future__ import annotations

import msgspec
from sqlalchemy import func, select, tuple_, update

from issuer.store.database import AsyncConnection, Database
from issuer.store.grid_models import PROVISIONAL_CLAIM
from issuer.store.grid_records import OpenClaim, ProvisionalClaim, WantedPeriod
from issuer.store.models import CREDENTIAL

_ROW = PROVISIONAL_CLAIM.c


class ProvisionalClaims:
    """The provisional claims of all credentials."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, *, limit: int = 1000, after: tuple[int, str] | None = None) -> tuple[OpenClaim, ...]:
        """Return provisional claims of issued credentials that were not closed, the oldest period first.

        ``after``: those after this end of a period (µs) and credential's id.
        """
        query = (
            select(PROVISIONAL_CLAIM)
            .join(CREDENTIAL, CREDENTIAL.c.id == _ROW.credential_id)
            .where(_ROW.closed_us.is_(None), CREDENTIAL.c.state == "issued")
            .order_by(_ROW.period_end_us, _ROW.credential_id)
            .limit(limit)
        )
        if after is not None:
            query = query.where(tuple_(_ROW.period_end_us, _ROW.credential_id) > tuple_(*after))
        async with self._database.read() as connection:
            found = (await connection.execute(query)).mappings().all()
        return tuple(
            OpenClaim(
                credential_id=row["credential_id"],
                claim=ProvisionalClaim(**{name: row[name] for name in ProvisionalClaim.__struct_fields__}),
            )
            for row in found
        )

    async def wanted(self, since_us: int, within_us: int) -> tuple[WantedPeriod, ...]:
        """Return for each region the spans that open claims ending after ``since_us`` touch, by steps of ``within_us``.

        A million claims of one day come as a few spans.
        """
        query = (
            select(_ROW.region, func.min(_ROW.period_start_us), func.max(_ROW.period_end_us))
            .where(_ROW.closed_us.is_(None), _ROW.period_end_us > since_us)
            .group_by(_ROW.region, _ROW.period_end_us // within_us)
            .order_by(_ROW.region, func.min(_ROW.period_start_us))
        )
        async with self._database.list_rows(None) as connection:
            found = (await connection.execute(query)).all()
        return tuple(WantedPeriod(region=one[0], start_us=one[1], end_us=one[2]) for one in found)

    async def close(self, credential_id: str, now_us: int) -> None:
        """Close a credential's claim, if it is open: nothing more is to be chosen for it."""
        async with self._database.write() as connection:
            await close_claim(connection, credential_id, now_us)


async def close_claim(connection: AsyncConnection, credential_id: str, now_us: int) -> None:
    """Close a credential's claim as part of the caller's transaction."""
    mine = (_ROW.credential_id == credential_id, _ROW.closed_us.is_(None))
    await connection.execute(update(PROVISIONAL_CLAIM).where(*mine).values(closed_us=now_us))


async def open_claim(connection: AsyncConnection, credential_id: str, claim: ProvisionalClaim) -> None:
    """Write a new credential's claim as part of the transaction that reserves it."""
    row = {"credential_id": credential_id} | msgspec.structs.asdict(claim)
    await connection.execute(PROVISIONAL_CLAIM.insert().values(row))
