"""The issuers of this service: one DID each."""

from __future__ import annotations

from sqlalchemy import select

from issuer.store.database import Database
from issuer.store.models import ISSUER
from issuer.store.records import IssuerRecord
from issuer.store.rows import column_values, read_record


class Issuers:
    """The issuers, by slug."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, slug: str, did: str, name: str, *, now_us: int) -> IssuerRecord:
        """Return the new issuer. Raises ConflictError if the slug or the DID is taken."""
        issuer = IssuerRecord(slug=slug, did=did, name=name, created_us=now_us)
        async with self._database.write() as connection:
            await connection.execute(ISSUER.insert().values(column_values(issuer)))
        return issuer

    async def get(self, slug: str) -> IssuerRecord | None:
        """Return the issuer with this slug, or None."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(ISSUER).where(ISSUER.c.slug == slug))).mappings().first()
        return None if row is None else read_record(IssuerRecord, row)

    async def all(self) -> tuple[IssuerRecord, ...]:
        """Return all issuers, by slug."""
        async with self._database.read() as connection:
            found = (await connection.execute(select(ISSUER).order_by(ISSUER.c.slug))).mappings().all()
        return tuple(read_record(IssuerRecord, row) for row in found)
