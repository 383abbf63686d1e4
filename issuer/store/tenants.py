"""The tenants: the customers whose inferences are certified."""

from __future__ import annotations

from sqlalchemy import select

from issuer.store.database import Database
from issuer.store.models import TENANT
from issuer.store.records import TenantRecord
from issuer.store.rows import column_values, read_record


class Tenants:
    """The tenants, by id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, tenant_id: str, issuer_slug: str, name: str, subject: str | None = None, *, now_us: int
    ) -> TenantRecord:
        """Return the new tenant. Raises ConflictError if the id is taken, NotFoundError for an unknown issuer."""
        tenant = TenantRecord(id=tenant_id, issuer_slug=issuer_slug, name=name, subject=subject, created_us=now_us)
        async with self._database.write() as connection:
            await connection.execute(TENANT.insert().values(column_values(tenant)))
        return tenant

    async def get(self, tenant_id: str) -> TenantRecord | None:
        """Return the tenant with this id, or None."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(TENANT).where(TENANT.c.id == tenant_id))).mappings().first()
        return None if row is None else read_record(TenantRecord, row)

    async def all(self, issuer_slug: str | None = None) -> tuple[TenantRecord, ...]:
        """Return the tenants of an issuer (None: of all), by id."""
        query = select(TENANT).order_by(TENANT.c.id)
        if issuer_slug is not None:
            query = query.where(TENANT.c.issuer_slug == issuer_slug)
        async with self._database.read() as connection:
            found = (await connection.execute(query)).mappings().all()
        return tuple(read_record(TenantRecord, row) for row in found)
