"""Errors of the drivers become the store's, by their codes."""

import sqlite3

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from issuer.store.errors import (
    ConflictError,
    NotFoundError,
    SerializationError,
    StorageFailedError,
    UnavailableError,
    UnstorableValueError,
    UnwritableError,
)
from issuer.store.translation import translated


class _PostgresError(Exception):
    def __init__(self, sqlstate):
        super().__init__("as the server put it")
        self.sqlstate = sqlstate


def _sqlite_error(code):
    error = sqlite3.OperationalError("as SQLite put it")
    error.sqlite_errorcode = code
    return error


def _raised(original, kind=OperationalError):
    with translated():
        raise kind("SELECT secret", {"key": "secret"}, original)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_BUSY, UnavailableError),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, UnavailableError),
        (sqlite3.SQLITE_FULL, UnwritableError),
        (sqlite3.SQLITE_READONLY, UnwritableError),
        (sqlite3.SQLITE_READONLY_DBMOVED, UnwritableError),
        (sqlite3.SQLITE_IOERR, StorageFailedError),
        (sqlite3.SQLITE_IOERR_FSYNC, StorageFailedError),
        (sqlite3.SQLITE_CORRUPT, StorageFailedError),
        (sqlite3.SQLITE_NOTADB, StorageFailedError),
    ],
)
def test_codes_of_sqlite(code, expected):
    with pytest.raises(expected):
        _raised(_sqlite_error(code))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("08006", UnavailableError),
        ("53300", UnavailableError),
        ("57P01", UnavailableError),
        ("25006", UnwritableError),
        ("53100", UnwritableError),
        ("40001", SerializationError),
        ("40P01", SerializationError),
        ("58030", StorageFailedError),
        ("XX001", StorageFailedError),
    ],
)
def test_codes_of_postgresql(state, expected):
    with pytest.raises(expected):
        _raised(_PostgresError(state))


@pytest.mark.parametrize(("state", "expected"), [("23505", ConflictError), ("23503", NotFoundError)])
def test_broken_constraints_of_postgresql(state, expected):
    with pytest.raises(expected):
        _raised(_PostgresError(state), IntegrityError)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, ConflictError),
        (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, ConflictError),
        (sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY, NotFoundError),
    ],
)
def test_broken_constraints_of_sqlite(code, expected):
    with pytest.raises(expected):
        _raised(_sqlite_error(code), IntegrityError)


def test_a_mistake_of_ours_passes_unchanged():
    with pytest.raises(OperationalError):
        _raised(_sqlite_error(sqlite3.SQLITE_ERROR))
    with pytest.raises(IntegrityError):
        _raised(_sqlite_error(sqlite3.SQLITE_CONSTRAINT_NOTNULL), IntegrityError)


def test_no_statement_and_no_value_is_shown():
    with pytest.raises(UnavailableError) as caught:
        _raised(_sqlite_error(sqlite3.SQLITE_BUSY))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("error", [PoolTimeoutError(), ConnectionRefusedError(), TimeoutError()])
def test_no_connection_is_unavailable(error):
    with pytest.raises(UnavailableError), translated():
        raise error


@pytest.mark.parametrize("value", ["nul\x00", "\ud800"])
async def test_text_that_cannot_be_stored_is_malformed_not_a_failure(store, value):
    if store._database.is_sqlite and value == "nul\x00":
        assert await store.tenants.get(value) is None
        return
    with pytest.raises(UnstorableValueError):
        await store.tenants.get(value)


async def test_an_integer_beyond_64_bits_is_malformed_not_a_failure(store):
    with pytest.raises(UnstorableValueError):
        await store.credentials.page("acme", since_us=1 << 64)
