"""Which database a URL names, and a file for SQLite that only its owner reads."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from issuer.store.errors import StoreUrlError

_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
_SAFE_SQLITE: Final = (3, 51, 3)
_OWNER_ONLY: Final = 0o600
_OTHERS: Final = 0o077


def database_url(text: str) -> URL:
    """Return the URL with its asynchronous driver. Raises StoreUrlError for other databases and for SQLite in memory.

    ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``postgresql://user:password@host/name``;
    libpq's ``sslmode`` is understood.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise StoreUrlError("the database URL cannot be read; an example is sqlite:///green.db") from error
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise StoreUrlError(f"{url.drivername!r} is not supported; use sqlite:///PATH or postgresql://…")
    if driver.startswith("sqlite") and (url.database or ":memory:").startswith((":memory:", "file:")):
        raise StoreUrlError("SQLite needs a path: credentials held in memory would not survive a restart")
    if "sslmode" in url.query:
        url = url.update_query_dict({"ssl": url.query["sslmode"]}).difference_update_query(["sslmode"])
    return url.set(drivername=driver)


def prepare_sqlite_file(url: URL) -> tuple[str, ...]:
    """Create the database file for its owner alone (mode 0600; WAL files inherit it). Return notices to log."""
    path = Path(url.database or "")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY))
    except OSError as error:
        raise StoreUrlError(f"the database file cannot be opened: {error.strerror}") from error
    notices = []
    if path.stat().st_mode & _OTHERS:
        notices.append("The database file can be read by other users; chmod 600 it.")
    notices.extend(version_notices(sqlite3.sqlite_version_info))
    return tuple(notices)


class OpenedFile:
    """The database file as it was when the service opened it, and its log while the service has connections.

    SQLite goes on writing to a file that was renamed or deleted (a backup moved into its place), and says that all
    is well; in WAL mode it does not look (https://www.sqlite.org/howtocorrupt.html §4). The log (-wal) and its index
    (-shm) are made with the first connection and removed with the last.
    """

    def __init__(self, url: URL) -> None:
        """Remember which file the path leads to; it has to exist."""
        self._path = os.path.abspath(url.database or "")  # noqa: PTH100 - as above
        self._opened = _identity(self._path)
        self._connections: set[int] = set()
        self._logs: dict[str, tuple[int, int]] = {}

    def connected(self, connection: object) -> None:
        """Note a connection that has begun to use the log. Which files those are is remembered from the first on."""
        self._connections.add(id(connection))
        if not self._logs:
            paths = (self._path + "-wal", self._path + "-shm")
            self._logs = {path: _identity(path) for path in paths if os.path.exists(path)}  # noqa: PTH110 - as above

    def disconnected(self, connection: object) -> None:
        """Note a connection that is about to be closed. With the last one SQLite removes the log."""
        self._connections.discard(id(connection))
        if not self._connections:
            self._logs = {}

    def is_in_place(self) -> bool:
        """Return whether the paths still lead to the files that were opened."""
        try:
            return _identity(self._path) == self._opened and all(
                _identity(path) == opened for path, opened in self._logs.items()
            )
        except OSError:
            return False


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116 - before every commit, so without the making of a Path
    return found.st_dev, found.st_ino


def version_notices(version: tuple[int, ...]) -> tuple[str, ...]:
    """Return a warning for an SQLite older than 3.51.3, which has the WAL-reset bug; else nothing."""
    if version >= _SAFE_SQLITE:
        return ()
    shown = ".".join(str(part) for part in version)
    notice = (
        f"SQLite {shown} is older than 3.51.3: a rare race of two connections (WAL-reset bug) can corrupt the "
        "database. Run with a newer SQLite, or use PostgreSQL."
    )
    return (notice,)
