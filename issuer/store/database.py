"""Connections and transactions: the one file that opens engines.

``read()`` and ``write()`` each give one transaction. When ``write()`` has been left without an error, what was
written is on disk (SQLite: WAL with synchronous=FULL; PostgreSQL: synchronous_commit=on). Writers of one process
queue for a single SQLite connection; a group commit can therefore be put in ``write()`` alone, and nothing
else changes.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Table, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from issuer.store.errors import StorageFailedError, StoreUrlError
from issuer.store.translation import translated
from issuer.store.urls import OpenedFile, database_url, prepare_sqlite_file
from issuer.turns import Turns

BUSY_TIMEOUT_S: Final = 10.0
_SQLITE_READERS: Final = 4
_LISTINGS: Final = 2
"""Reads of many rows at once, of all tenants together: other readers stay free for records, keys and health."""
_BUSY_PAUSE_S: Final = 0.01


class Randomness(Protocol):
    """Where ids and indexes come from; ``random.SystemRandom()`` outside of tests."""

    def getrandbits(self, k: int, /) -> int:
        """Return ``k`` random bits."""
        ...

    def randrange(self, stop: int, /) -> int:
        """Return a random integer in 0..stop-1."""
        ...


class Database:
    """One database with its pools. ``notices``: what an operator should read in the log at start."""

    def __init__(self, url: str, *, pool_size: int = 10, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        """Prepare the pools; nothing is connected yet. Raises StoreUrlError."""
        target = database_url(url)
        self.is_sqlite = target.drivername.startswith("sqlite")
        self.notices: tuple[str, ...] = ()
        self._listings = Turns("listings or sums of a tenant", each=1, most=_LISTINGS, wait_s=busy_timeout_s)
        self._file: OpenedFile | None = None
        if self.is_sqlite:
            self.notices = prepare_sqlite_file(target)
            self._file = OpenedFile(target)
            self._writer = _sqlite_engine(target, busy_timeout_s, self._file, writes=True)
            self._reader = _sqlite_engine(target, busy_timeout_s, self._file, writes=False)
        else:
            self._writer = self._reader = _postgresql_engine(target, pool_size, busy_timeout_s)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection in a transaction that only reads. Raises UnavailableError, StorageFailedError."""
        with translated(reads=True):
            async with self._reader.connect() as connection:
                yield connection

    @asynccontextmanager
    async def list_rows(self, tenant_id: str | None) -> AsyncIterator[AsyncConnection]:
        """Give a connection as ``read``, for what may read many rows of a tenant (None: of all).

        One at a time of a tenant and a few in all, so that they never hold all connections. Raises OverloadedError too.
        """
        async with self._listings.of(tenant_id or ""), self.read() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection in a write transaction; leaving it without an error commits durably.

        Raises ConflictError or NotFoundError for a broken constraint, UnavailableError (UnwritableError on a full
        disk), StorageFailedError.
        """
        with translated():
            async with self._writer.begin() as connection:
                yield connection
                # Before the commit: what goes into a file that nobody will find again must not be acknowledged.
                self.check_in_place()

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """Return an INSERT of this dialect, which knows ON CONFLICT."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def check_in_place(self) -> None:
        """Raise StorageFailedError where the SQLite file, or its log, is no longer the one that was opened."""
        if self._file is not None and not self._file.is_in_place():
            raise StorageFailedError(
                "the database file, its -wal or its -shm was moved, replaced or removed under the running service; "
                "restart it"
            )

    async def close(self) -> None:
        """Close all connections; SQLite checkpoints its WAL with the last one."""
        await self._reader.dispose()
        await self._writer.dispose()


def _postgresql_engine(url: URL, pool_size: int, busy_timeout_s: float) -> AsyncEngine:
    return create_async_engine(
        url,
        isolation_level="READ COMMITTED",
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=busy_timeout_s,
        connect_args={
            "server_settings": {
                "synchronous_commit": "on",
                "jit": "off",
                "application_name": "green-issuer",
                # As on SQLite: who waits longer for another's lock gives up, and its connection back.
                "lock_timeout": f"{int(busy_timeout_s * 1000)}ms",
            },
            # A replica that has not caught up would let a revoked credential or a used token pass.
            "target_session_attrs": "read-write",
            "timeout": busy_timeout_s,
        },
    )


def _sqlite_engine(url: URL, busy_timeout_s: float, file: OpenedFile, *, writes: bool) -> AsyncEngine:
    engine = create_async_engine(
        url,
        # An error's text ends in the log, and the parameters are tokens' digests and whole credentials.
        hide_parameters=True,
        pool_size=1 if writes else _SQLITE_READERS,
        max_overflow=0,
        pool_timeout=busy_timeout_s,
    )
    pragmas = {
        "busy_timeout": str(int(busy_timeout_s * 1000)),
        "journal_mode": "WAL",
        "synchronous": "FULL",
        # 16 MB instead of 4: a window of 10,000 records writes 2 MB, and pages that many windows touch are copied once.
        "wal_autocheckpoint": "4000",
        "foreign_keys": "ON",
        # Otherwise INSERT OR REPLACE deletes rows without firing the triggers that refuse it.
        "recursive_triggers": "ON",
        "trusted_schema": "OFF",
        "query_only": "OFF" if writes else "ON",
    }

    def prepare(connection: Any, _record: object) -> None:
        # The driver's own transactions would begin late and deferred; we say BEGIN ourselves, below.
        connection.isolation_level = None
        cursor = connection.cursor()
        for name, value in pragmas.items():
            _set_pragma(cursor, f"PRAGMA {name}={value}", busy_timeout_s)
            if name == "journal_mode" and cursor.fetchone()[0] != "wal":
                raise StoreUrlError("SQLite cannot keep a write-ahead log there (a network file system?)")
        cursor.close()
        file.connected(connection)

    def begin(connection: Connection) -> None:
        # A deferred transaction that starts to write fails as soon as another has written meanwhile.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", begin)
    event.listen(engine.sync_engine, "close", lambda connection, _record: file.disconnected(connection))
    return engine


def _set_pragma(cursor: Any, statement: str, within_s: float) -> None:
    # Where two processes open a new database at once, SQLite answers the second one's change to WAL with
    # "busy" at once, whatever its busy_timeout is.
    deadline = time.monotonic() + within_s
    while True:
        try:
            cursor.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_BUSY_PAUSE_S)
        else:
            return


__all__ = ["AsyncConnection", "Database", "Randomness"]
