"""The tenants: the customers whose inferences are certified."""

from __future__ import annotations

from sqlalchemy import select, update

from issuer.store.database import Database
from issuer.store.errors import NotFoundError
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

    async def change(self, tenant_id: str, *, name: str | None = None, subject: str | None = None) -> TenantRecord:
        """Return the tenant with another name or subject (None: as it was), for what is issued from now on.

        Raises NotFoundError.
        """
        given = {column: value for column, value in (("name", name), ("subject", subject)) if value is not None}
        async with self._database.write() as connection:
            if given:
                await connection.execute(update(TENANT).where(TENANT.c.id == tenant_id).values(given))
            row = (await connection.execute(select(TENANT).where(TENANT.c.id == tenant_id))).mappings().first()
        if row is None:
            raise NotFoundError(f"there is no tenant {tenant_id!r}")
        return read_record(TenantRecord, row)

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
