"""Alembic, run by the program itself: the revisions travel inside the package.

Alembic is imported where it is needed: it takes half a second, which commands that do not migrate need not wait.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect, text

from issuer.store.database import Database
from issuer.store.errors import NewerDatabaseError, StoreUrlError

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK: Final = 0x67_72_65_65_6E
"""Key of PostgreSQL's advisory lock ("green"): replicas that start together migrate one after the other."""


_VERSIONS: Final = "issuer.store.migrations.versions"
_FILE: Final = re.compile(r"r([0-9]{4})_[a-z_]+\.pyc?", re.ASCII)


async def upgrade(database: Database) -> None:
    """Bring the tables to the newest revision, in one write transaction: all of it or nothing.

    Raises NewerDatabaseError.
    """
    await check_version(database)
    async with database.write() as connection:
        await connection.run_sync(_upgrade)


async def check_version(database: Database) -> None:
    """Raise NewerDatabaseError where the tables have a revision that this version of the program does not know.

    Older tables, and none, are in order here. Without Alembic, since every command asks.
    """
    async with database.read() as connection:
        found = await connection.run_sync(_revision)
    known = known_revisions()
    if found is not None and found not in known:
        raise NewerDatabaseError(found, known[-1])


def known_revisions() -> tuple[str, ...]:
    """Return the revisions that this version of the program knows, the oldest first: their files say which."""
    names = (_FILE.fullmatch(entry.name) for entry in resources.files(_VERSIONS).iterdir())
    return tuple(sorted({name[1] for name in names if name is not None}))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


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
