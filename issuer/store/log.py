"""The audit log: who did what, when. It only ever grows; triggers refuse the rest."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from issuer.store.database import AsyncConnection, Database
from issuer.store.models import AUDIT_LOG
from issuer.store.records import AuditRecord
from issuer.store.rows import read_record

_MAX_LIMIT: Final = 1000


class Log:
    """The audit log. Changes of a credential's status write their entry themselves, in the same transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, at_us: int, actor: str, action: str, target: str, detail: str) -> None:
        """Add an entry; it is durable on return."""
        async with self._database.write() as connection:
            await append_entry(connection, at_us=at_us, actor=actor, action=action, target=target, detail=detail)

    async def page(
        self, *, limit: int = 100, before_id: int | None = None, target: str | None = None
    ) -> tuple[AuditRecord, ...]:
        """Return up to ``limit`` (1 to 1,000) entries, newest first, older than ``before_id``, about ``target`` where given."""
        query = select(AUDIT_LOG).order_by(AUDIT_LOG.c.id.desc()).limit(min(max(limit, 1), _MAX_LIMIT))
        if before_id is not None:
            query = query.where(AUDIT_LOG.c.id < before_id)
        if target is not None:
            query = query.where(AUDIT_LOG.c.target == target)
        async with self._database.read() as connection:
            found = (await connection.execute(query)).mappings().all()
        return tuple(read_record(AuditRecord, row) for row in found)


async def append_entry(
    connection: AsyncConnection, *, at_us: int, actor: str, action: str, target: str, detail: str
) -> None:
    """Add an entry within the caller's transaction."""
    entry = {"at_us": at_us, "actor": actor, "action": action, "target": target, "detail": detail}
    await connection.execute(AUDIT_LOG.insert().values(entry))
