"""API keys: only their SHA-256 is kept."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import RowMapping, select, update

from issuer.store.database import Database
from issuer.store.errors import NotFoundError
from issuer.store.models import API_KEY
from issuer.store.records import ApiKeyRecord, Scope
from issuer.store.rows import column_values, read_record


class ApiKeys:
    """The API keys, by id and by hash."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, key_id: str, key_sha256: bytes, tenant_id: str | None, scopes: Iterable[Scope], name: str, *, now_us: int
    ) -> ApiKeyRecord:
        """Return the new key's record; ``key_sha256`` is the SHA-256 of the key (32 bytes), tenant None is every tenant.

        Raises ConflictError if the id or the hash is taken, NotFoundError for an unknown tenant.
        """
        key = ApiKeyRecord(id=key_id, tenant_id=tenant_id, scopes=tuple(scopes), name=name, created_us=now_us)
        columns = column_values(key) | {"key_sha256": key_sha256, "scopes": " ".join(key.scopes)}
        async with self._database.write() as connection:
            await connection.execute(API_KEY.insert().values(columns))
        return key

    async def find(self, key_sha256: bytes) -> ApiKeyRecord | None:
        """Return the key with this hash, or None if there is none or it was revoked."""
        query = select(API_KEY).where(API_KEY.c.key_sha256 == key_sha256, API_KEY.c.revoked_us.is_(None))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else _record(row)

    async def revoke(self, key_id: str, *, now_us: int) -> bool:
        """End a key. Return whether it worked until now. Raises NotFoundError."""
        change = update(API_KEY).where(API_KEY.c.id == key_id, API_KEY.c.revoked_us.is_(None))
        async with self._database.write() as connection:
            if (await connection.execute(change.values(revoked_us=now_us))).rowcount == 1:
                return True
            if (await connection.execute(select(API_KEY.c.id).where(API_KEY.c.id == key_id))).first() is None:
                raise NotFoundError(f"there is no API key {key_id!r}")
        return False

    async def all(self, tenant_id: str | None = None) -> tuple[ApiKeyRecord, ...]:
        """Return the keys of a tenant (None: all keys), oldest first, revoked ones too."""
        query = select(API_KEY).order_by(API_KEY.c.created_us, API_KEY.c.id)
        if tenant_id is not None:
            query = query.where(API_KEY.c.tenant_id == tenant_id)
        async with self._database.read() as connection:
            found = (await connection.execute(query)).mappings().all()
        return tuple(_record(row) for row in found)


def _record(row: RowMapping) -> ApiKeyRecord:
    return read_record(ApiKeyRecord, row, scopes=tuple(row["scopes"].split()))
