"""No row that counts is replaced by another, whoever opens the SQLite file: a plain connection, as any tool makes it.

REPLACE deletes the row in its way without firing the triggers that refuse to delete it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress

import pytest
from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, UniqueConstraint
from sqlalchemy.exc import IntegrityError

from issuer.store import window_models
from issuer.store.errors import ConflictError
from issuer.store.models import METADATA
from tests.fakes.stored import JWK, NOW_US, build, issued, node, reservation

GUARDED = [
    "api_key",
    "audit_log",
    "credential",
    "credential_bytes",
    "evidence",
    "inference",
    "node",
    "nonce",
    "receipt",
    "signing_key",
    "status_entry",
    "status_list",
    "telemetry_window",
    "tpm_challenge",
    "window_share",
]
assert window_models  # its tables belong to METADATA once it is imported

_KEPT = {"state", "credential_type", "emission_factor_type", "size", "capacity", "allocated"}
"""Columns that a replacement keeps: the table's own conditions are about them."""
_FIRST = {
    "state": {"credential": "issued", "signing_key": "active", "node": "active"},
    "credential_type": {"credential": "GreenComputeWindowCredential"},
}


def _keys(table):
    """Return each set of columns that no two rows share."""
    constraints = [one for one in table.constraints if isinstance(one, UniqueConstraint)]
    unique = [table.primary_key, *constraints, *(index for index in table.indexes if index.unique)]
    return [tuple(column.name for column in one.columns) for one in unique]


def _value(column, number):
    if isinstance(column.type, BigInteger | Integer | Boolean):
        return number
    if isinstance(column.type, LargeBinary):
        return b"%d" % number
    return _FIRST.get(column.name, {}).get(column.table.name) or f"{column.name}-{number}"


def _row(table, number):
    return {column.name: _value(column, number) for column in table.columns}


def _put(connection, table, row, *, how="INSERT"):
    names, places = ", ".join(row), ", ".join("?" * len(row))
    connection.execute(f"{how} INTO {table.name} ({names}) VALUES ({places})", list(row.values()))


def _rows(connection, table):
    return connection.execute(f"SELECT * FROM {table.name} ORDER BY 1, 2").fetchall()


def _replacements(table):
    """Yield rows that stand in the first one's way by one key each, and by the number that SQLite gives rows."""
    first, other = _row(table, 1), _row(table, 2)
    for key in _keys(table):
        yield {**other, **{name: first[name] for name in (*key, *_KEPT) if name in first}}
    if table.name not in {"inference", "window_share", "audit_log", "telemetry_window"}:
        yield {"rowid": 1, **other, **{name: first[name] for name in _KEPT if name in first}}


@pytest.fixture
def plain(sqlite_template, tmp_path):
    """A connection of Python's own, without any of our settings, to a database whose tables have no rows."""
    with closing(sqlite3.connect(tmp_path / "copy.db", isolation_level=None)) as connection:
        with closing(sqlite3.connect(sqlite_template)) as template:
            template.backup(connection)
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for table in METADATA.tables:
            connection.execute(f"DELETE FROM {table}")
        for _, sql in triggers:
            connection.execute(sql)
        yield connection


@pytest.mark.parametrize("name", GUARDED)
def test_insert_or_replace_replaces_no_row(plain, name):
    table = METADATA.tables[name]
    _put(plain, table, _row(table, 1))
    before = _rows(plain, table)
    for row in _replacements(table):
        # Refused, or (where our own code writes with ON CONFLICT DO NOTHING) left out.
        with suppress(sqlite3.IntegrityError):
            _put(plain, table, row, how="INSERT OR REPLACE")
        assert _rows(plain, table) == before
    # Without the guard each of them does replace it: that is what is tested here.
    plain.execute(f"DROP TRIGGER {name}_not_replaced")
    for row in _replacements(table):
        plain.execute("SAVEPOINT one")
        _put(plain, table, row, how="INSERT OR REPLACE")
        assert _rows(plain, table) != before
        plain.execute("ROLLBACK TO one")


@pytest.mark.parametrize("name", GUARDED)
def test_a_row_of_its_own_is_written_as_before(plain, name):
    table = METADATA.tables[name]
    for number in (1, 2, 3):
        row = _row(table, number)
        if name == "signing_key" and number > 1:
            row["state"] = "retired"
        _put(plain, table, row)
    assert len(_rows(plain, table)) == 3


def test_the_same_evidence_may_come_again(plain):
    table = METADATA.tables["evidence"]
    for how in ("INSERT", "INSERT OR IGNORE", "INSERT OR REPLACE"):
        _put(plain, table, _row(table, 1), how=how)
    assert len(_rows(plain, table)) == 1


async def test_a_taken_name_is_a_conflict_and_no_fault(store):
    await store.keys.add("root", "key-1", "file:/1", JWK, "ES256", now_us=NOW_US)
    await store.api_keys.add("one", b"1" * 32, "acme", ["read"], "", now_us=NOW_US)
    with pytest.raises(ConflictError):
        await store.keys.add("root", "key-1", "file:/2", JWK, "ES256", state="retired", now_us=NOW_US)
    with pytest.raises(ConflictError):
        await store.keys.add("root", "key-2", "file:/2", JWK, "ES256", now_us=NOW_US)
    with pytest.raises(ConflictError):
        await store.api_keys.add("two", b"1" * 32, "acme", ["read"], "", now_us=NOW_US)
    with pytest.raises(ConflictError):
        await store.nodes.add(node("acme-node", key_uri="urn:other"))


async def test_a_status_index_that_is_taken_is_drawn_again(store):
    drawn = iter([5, 5, 5, 6])

    class Drawing:
        def getrandbits(self, k):
            return NOW_US % (1 << k) + next(bits)

        def randrange(self, _stop):
            return next(drawn)

    bits = iter(range(100))
    store.credentials._randomness = store.credentials._lists._randomness = Drawing()
    first = await store.credentials.reserve(reservation(), build)
    second = await store.credentials.reserve(reservation(inference_id="inference-2"), build)
    assert (first.index, second.index) == (5, 6)


async def _refused(store, statement, match):
    with pytest.raises(IntegrityError, match=match):
        async with store._database._writer.begin() as connection:
            await connection.exec_driver_sql(statement)


async def test_no_sql_takes_back_the_revocation_of_a_node_or_an_api_key(store):
    await issued(store)
    await store.nodes.revoke("acme-node")
    await store.api_keys.add("one", b"1" * 32, "acme", ["read"], "", now_us=NOW_US)
    await store.api_keys.revoke("one", now_us=NOW_US)
    await _refused(store, "UPDATE node SET state = 'active'", "revoked node")
    await store.nodes.revoke("umbra-node")
    await _refused(store, "DELETE FROM node WHERE id = 'umbra-node'", "a revoked node stays")
    await _refused(store, "UPDATE api_key SET revoked_us = NULL", "stays revoked")
    await _refused(store, "UPDATE api_key SET revoked_us = 1", "stays revoked")
    assert not await store.api_keys.revoke("one", now_us=NOW_US + 1)
