"""The tables come from the migrations, and are those of the models."""

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from issuer.store import Store, migrate
from issuer.store.database import Database
from issuer.store.models import METADATA
from tests.fakes.stored import NOW_US, issued


async def _rows(store, statement):
    async with store._database.read() as connection:
        return (await connection.execute(text(statement))).all()


async def _change(store, statement):
    async with store._database._writer.begin() as connection:
        await connection.execute(text(statement))


async def test_the_migrated_tables_are_those_of_the_models(store):
    def differences(connection):
        return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA)

    async with store._database.read() as connection:
        assert await connection.run_sync(differences) == []


async def test_conditions_of_partial_indexes_are_those_of_the_models(store):
    def conditions(connection):
        found = inspect(connection)
        return {
            index["name"]: str(index["dialect_options"].get(f"{connection.dialect.name}_where", ""))
            for table in METADATA.tables
            for index in found.get_indexes(table)
        }

    async with store._database.read() as connection:
        there = await connection.run_sync(conditions)
    expected = {
        index.name: str(
            index.dialect_options["sqlite"]["where"] if index.dialect_options["sqlite"]["where"] is not None else ""
        )
        for table in METADATA.tables.values()
        for index in table.indexes
    }
    assert set(there) >= set(expected)
    for name, condition in expected.items():
        assert bool(there[name]) == bool(condition), name


async def test_migrating_again_changes_nothing(store):
    await store.migrate()
    assert await store.revision() == migrate.head_revision()
    assert len(await store.tenants.all()) == 2


async def test_an_empty_database_has_no_revision(empty_url):
    store = Store.open(empty_url)
    assert await store.revision() is None
    await store.close()


async def test_two_processes_may_migrate_at_once(empty_url):
    stores = [Store.open(empty_url) for _ in range(2)]
    await asyncio.gather(*(store.migrate() for store in stores))
    assert {await store.revision() for store in stores} == {migrate.head_revision()}
    await asyncio.gather(*(store.close() for store in stores))


async def test_those_who_open_a_new_file_at_once_wait_for_each_other(tmp_path):
    # SQLite answers a change to WAL with "busy" at once, so without waiting most of these rounds fail.
    for number in range(5):
        stores = [Store.open(f"sqlite:///{tmp_path}/{number}.db") for _ in range(3)]
        done = await asyncio.gather(*(store.migrate() for store in stores), return_exceptions=True)
        for store in stores:
            await store.close()
        assert done == [None, None, None]


async def test_a_migration_that_fails_leaves_nothing_behind(empty_url):
    database = Database(empty_url)
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE tenant (id TEXT)"))
    with pytest.raises(Exception, match="tenant"):
        await migrate.upgrade(database)
    async with database.read() as connection:
        assert await connection.run_sync(lambda plain: inspect(plain).get_table_names()) == ["tenant"]
    await database.close()


async def test_no_sql_takes_a_revocation_back(store):
    credential = await issued(store)
    await store.status.revoke(credential.id, "mistake", "auditor", NOW_US, tenant_id=None)
    for value in ("NULL", "1"):
        with pytest.raises(IntegrityError, match="a revocation never reverts"):
            await _change(store, f"UPDATE status_entry SET revoked_us = {value}")
    assert (await store.status.entry(credential.id, tenant_id=None)).revoked_us == NOW_US


async def test_no_sql_frees_a_status_index(store):
    await issued(store)
    with pytest.raises(IntegrityError, match="never given out again"):
        await _change(store, "DELETE FROM status_entry")


async def test_no_sql_gives_a_status_index_to_another_credential(store):
    await issued(store)
    with pytest.raises(IntegrityError, match="never given to another credential"):
        await _change(store, "UPDATE status_entry SET credential_id = 'other'")


async def test_no_sql_changes_an_issued_document(store):
    await issued(store)
    with pytest.raises(IntegrityError, match="an issued document never changes"):
        await _change(store, "UPDATE credential_bytes SET document = NULL")


@pytest.mark.parametrize("statement", ["UPDATE audit_log SET actor = 'nobody'", "DELETE FROM audit_log"])
async def test_no_sql_changes_the_audit_log(store, statement):
    await store.log.append(NOW_US, "admin", "invite", "node-7", "")
    with pytest.raises(IntegrityError, match="the audit log is never"):
        await _change(store, statement)
    assert len(await store.log.page()) == 1


async def test_no_sql_replaces_an_entry_of_the_audit_log(store):
    await store.log.append(NOW_US, "admin", "invite", "node-7", "")
    if not store._database.is_sqlite:
        pytest.skip("INSERT OR REPLACE is SQLite's")
    with pytest.raises(IntegrityError, match="the audit log is never"):
        await _change(store, "INSERT OR REPLACE INTO audit_log SELECT id, 0, 'x', 'x', 'x', 'x' FROM audit_log")


@pytest.mark.parametrize("table", ["audit_log", "status_entry"])
async def test_no_sql_empties_a_table_that_only_grows(store, table):
    if store._database.is_sqlite:
        pytest.skip("SQLite has no TRUNCATE; DELETE is refused")
    with pytest.raises(IntegrityError, match="never emptied"):
        await _change(store, f"TRUNCATE {table}")
