"""Alembic, run by the program itself: the revisions travel inside the package.

Alembic is imported where it is needed: it takes half a second, which commands that do not migrate need not wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text

from issuer.store.database import Database
from issuer.store.errors import StoreUrlError

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK: Final = 0x67_72_65_65_6E
"""Key of PostgreSQL's advisory lock ("green"): replicas that start together migrate one after the other."""


async def upgrade(database: Database) -> None:
    """Bring the tables to the newest revision, in one write transaction: all of it or nothing."""
    async with database.write() as connection:
        await connection.run_sync(_upgrade)


async def current_revision(database: Database) -> str | None:
    """Return the revision that the tables have, or None for an empty database."""
    from alembic.migration import MigrationContext

    async with database.read() as connection:
        return await connection.run_sync(lambda plain: MigrationContext.configure(plain).get_current_revision())


def head_revision() -> str:
    """Return the revision that this version of the program works with."""
    from alembic.script import ScriptDirectory

    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise StoreUrlError("the migrations are missing from this installation")
    return head


def _upgrade(connection: Connection, revision: str = "head") -> None:
    from alembic import command

    if connection.dialect.name == "postgresql":
        # A migration may take longer than a request may wait, and whoever comes second has to wait for it.
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "issuer.store:migrations")
    return config
