"""From the errors of the drivers to those of the store: told apart by their codes, never by their words."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from issuer.store.errors import (
    ConflictError,
    NotFoundError,
    SerializationError,
    StorageFailedError,
    StoreError,
    UnavailableError,
    UnstorableValueError,
    UnwritableError,
)

_PRIMARY_CODE: Final = 0xFF
_SQLITE_FAILED: Final = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_SQLITE_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN}
_SQLITE_UNWRITABLE: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}
# PostgreSQL's error codes, Appendix A: classes of two characters, and single codes.
_PG_FAILED: Final = ("58", "XX")
_PG_BUSY: Final = ("08", "53", "57", "55P03")
# Disk full, and a server that takes no writes: a standby, or default_transaction_read_only.
_PG_UNWRITABLE: Final = ("53100", "25006")
_PG_DATA: Final = "22"
_PG_SERIALIZATION: Final = "40"
_PG_UNIQUE: Final = "23505"
_PG_FOREIGN_KEY: Final = "23503"

_UNWRITABLE: Final = "the database cannot be written; the issuer's operator has to mend it: send it again later"


@contextmanager
def translated(*, reads: bool = False) -> Iterator[None]:
    """Raise the store's error for a driver's; errors that only a mistake of ours can cause pass unchanged.

    ``reads``: nothing may be written here, so that "read-only" is the answer to a mistake of ours.
    """
    try:
        yield
    except PoolTimeoutError as error:
        raise UnavailableError("all database connections are busy; try again") from error
    except DBAPIError as error:
        known = _known(error)
        if known is None or (reads and _sqlite_code(error) == sqlite3.SQLITE_READONLY):
            raise
        raise known from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise UnstorableValueError("a value cannot be written to the database") from error
    except OSError as error:
        raise UnavailableError("the database cannot be reached; try again") from error


def _known(error: DBAPIError) -> StoreError | None:
    if isinstance(error, IntegrityError):
        return _constraint(error)
    code = _sqlite_code(error) & _PRIMARY_CODE
    state = _sqlstate(error)
    # What asyncpg cannot encode it refuses itself, with a ValueError that SQLAlchemy wraps.
    if state.startswith(_PG_DATA) or isinstance(getattr(error.orig, "__cause__", None), ValueError):
        return UnstorableValueError("a value cannot be written to the database")
    if code in _SQLITE_FAILED or state.startswith(_PG_FAILED):
        return StorageFailedError("the database reports a failure of its storage")
    if state.startswith(_PG_SERIALIZATION):
        return SerializationError("the database was busy with a conflicting change; try again")
    if code in _SQLITE_UNWRITABLE or state in _PG_UNWRITABLE or _is_standby(error):
        return UnwritableError(_UNWRITABLE)
    if code in _SQLITE_BUSY or state.startswith(_PG_BUSY) or error.connection_invalidated:
        return UnavailableError("the database is busy or cannot be reached; try again")
    return None


def _is_standby(error: DBAPIError) -> bool:
    """Return whether asyncpg found no server that takes writes: it has a class for that, and no code."""
    # Imported by SQLAlchemy, and only where PostgreSQL is in use.
    driver = sys.modules.get("asyncpg")
    cause = getattr(error.orig, "__cause__", None)
    return driver is not None and isinstance(cause, driver.exceptions.TargetServerAttributeNotMatched)


def _constraint(error: IntegrityError) -> StoreError | None:
    code, state = _sqlite_code(error), _sqlstate(error)
    # An INSERT that a trigger refuses has met the row that it would replace.
    inserted = code == sqlite3.SQLITE_CONSTRAINT_TRIGGER and (error.statement or "").startswith("INSERT ")
    unique = code in {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY} or state == _PG_UNIQUE
    if inserted or unique:
        return ConflictError("another entry has this name or key already")
    if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY or state == _PG_FOREIGN_KEY:
        return NotFoundError("what the entry refers to does not exist")
    return None


def _sqlite_code(error: DBAPIError) -> int:
    return getattr(error.orig, "sqlite_errorcode", None) or 0


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""
