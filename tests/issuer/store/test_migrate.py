"""The tables come from the migrations, and are those of the models."""

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from issuer.store import Store, migrate
from issuer.store.database import Database
from issuer.store.errors import NewerDatabaseError
from issuer.store.models import METADATA
from tests.fakes.stored import JWK, NOW_US, build, issued, reservation

RECORD = {"record": b"{}", "record_digest": "u1"}


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
    with pytest.raises(IntegrityError, match="never replaced"):
        await _change(store, "INSERT OR REPLACE INTO audit_log SELECT id, 0, 'x', 'x', 'x', 'x' FROM audit_log")


@pytest.mark.parametrize("table", ["audit_log", "status_entry"])
async def test_no_sql_empties_a_table_that_only_grows(store, table):
    if store._database.is_sqlite:
        pytest.skip("SQLite has no TRUNCATE; DELETE is refused")
    with pytest.raises(IntegrityError, match="never emptied"):
        await _change(store, f"TRUNCATE {table}")


async def _refused(store, message, *statements):
    for statement in statements:
        with pytest.raises(IntegrityError, match=message):
            await _change(store, statement)


async def test_no_sql_changes_or_removes_an_issued_credential(store):
    before = await issued(store, **RECORD)
    await _refused(
        store,
        "never changes",
        "UPDATE credential SET energy_kwh = '0'",
        "UPDATE credential SET state = 'rejected'",
        "UPDATE credential SET tenant_id = 'umbra'",
        "UPDATE credential SET simulated = NOT simulated",
        "UPDATE evidence SET digest = 'u2'",
    )
    await _refused(
        store,
        "never removed",
        "DELETE FROM credential_bytes",
        "DELETE FROM evidence",
    )
    with pytest.raises(IntegrityError):
        await _change(store, "DELETE FROM credential")
    assert await store.credentials.by_id(before.id, tenant_id=None) == before


async def test_no_sql_changes_what_was_reserved(store):
    reserved = await store.credentials.reserve(reservation(), build)
    await _refused(
        store,
        "what was reserved never changes",
        *(
            f"UPDATE credential SET {change}"
            for change in (
                "energy_kwh = '9'",
                "energy_units = 9",
                "body_digest = 'u'",
                "inference_id = NULL",
                "idx = idx + 1",
                "node_id = NULL",
                "assurance = 'tpm-hardware'",
            )
        ),
    )
    other = "X'00'" if store._database.is_sqlite else "'\\x00'"
    await _refused(
        store,
        "frozen with the reservation",
        f"UPDATE credential_bytes SET unsecured = {other}",
        "UPDATE credential_bytes SET unsecured = NULL",
    )
    assert (await store.credentials.reserve(reservation(), build)).unsecured == reserved.unsecured


async def test_no_sql_takes_a_key_out_of_the_did_document(store):
    await store.keys.rotate("root", "key-1", "file:/1", JWK, "ES256", now_us=NOW_US)
    await store.keys.rotate("root", "key-2", "file:/2", JWK, "ES256", now_us=NOW_US)
    await store.keys.revoke("root", "key-1", now_us=NOW_US)
    await _refused(store, "a key that signed stays published", "DELETE FROM signing_key")
    await _refused(store, "never becomes another", "UPDATE signing_key SET jwk = '{}'")
    await _refused(store, "stays revoked", "UPDATE signing_key SET state = 'retired' WHERE key_id = 'key-1'")


async def test_no_sql_opens_a_closed_status_list_or_sets_one_back(store):
    await issued(store)
    await _refused(
        store,
        "never set back",
        "UPDATE status_list SET allocated = 0",
        "UPDATE status_list SET version = -1",
        "UPDATE status_list SET id = 'other'",
    )
    await store.status.close_lists("root", now_us=NOW_US)
    await _refused(store, "gives out no more", "UPDATE status_list SET closed_us = NULL")


_FIRST_ROWS = (
    "INSERT INTO issuer VALUES ('root', 'did:web:example.com', 'Example', 1)",
    "INSERT INTO tenant VALUES ('acme', 'root', 'Acme', NULL, 1)",
    "INSERT INTO status_list VALUES ('list', 'root', 1, 1024, 512, 1, 0, 1, 1, NULL)",
    (
        "INSERT INTO credential (id, issuer_slug, tenant_id, inference_id, credential_type, period_end_us, energy_kwh, "
        "energy_units, energy_nano, energy_atto, operational_emissions_gco2e, emissions_units, emissions_nano, "
        "emissions_atto, emission_factor_type, simulated, body_digest, list_id, idx, state, reserved_us) VALUES "
        "('one', 'root', 'acme', 'inference-1', 'GreenComputeCredential', 1, '0', 0, 0, 0, '0', 0, 0, 0, 'direct', "
        "FALSE, 'body', 'list', 0, 'issued', 1)"
    ),
    "INSERT INTO evidence VALUES ('u1', 'record')",
)
"""Rows of the first revision, written as it had them."""


async def test_a_database_of_the_first_revision_gets_the_later_guards_and_tables(empty_url):
    store = Store.open(empty_url)
    async with store._database.write() as connection:
        await connection.run_sync(lambda plain: migrate._upgrade(plain, "0001"))
        for row in _FIRST_ROWS:
            await connection.execute(text(row))
    assert await store.revision() == "0001"
    await store.migrate()
    assert await store.revision() == migrate.head_revision()
    await _refused(store, "never removed", "DELETE FROM evidence")
    # An inference that was posted before there were windows keeps its id.
    taken = await _rows(store, "SELECT tenant_id, inference_id, window_id FROM inference")
    assert [tuple(row) for row in taken] == [("acme", "inference-1", None)]
    await store.close()


_CLAIMS = '{"credentialSubject": {"energyKwh": "0.5", "gridRegion": "DEU", "energyUncertaintyPercent": "6", "requestCount": "2"}}'


async def test_what_older_credentials_report_is_read_from_their_documents(empty_url):
    store = Store.open(empty_url)
    async with store._database.write() as connection:
        await connection.run_sync(lambda plain: migrate._upgrade(plain, "0001"))
        for row in _FIRST_ROWS[:-1]:
            await connection.execute(text(row))
        document = {"document": _CLAIMS.encode()}
        await connection.execute(text("INSERT INTO credential_bytes VALUES ('one', NULL, :document)"), document)
    await store.migrate()
    (row,) = await _rows(store, "SELECT * FROM reported")
    assert row.credential_id == "one"
    assert row.basis == '{"region":"DEU"}'
    # 6 % of 0.5 kWh; what the document does not state is not stated, and not zero.
    assert (row.margin_units, row.margin_nano, row.margin_atto) == (0, 30_000_000, 0)
    assert (row.requests, row.tokens, row.embodied_units, row.market_units) == (2, None, None, None)
    await store.close()


async def test_a_database_of_a_newer_version_is_neither_migrated_nor_used(store):
    await _change(store, "UPDATE alembic_version SET version_num = '9999'")
    for use in (store.migrate, store.check_version):
        with pytest.raises(NewerDatabaseError, match=r"newer version of this program \(its schema is 9999"):
            await use()
    assert await store.revision() == "9999"


async def test_an_empty_and_an_older_database_are_in_order(empty_url):
    store = Store.open(empty_url)
    await store.check_version()
    async with store._database.write() as connection:
        await connection.run_sync(lambda plain: migrate._upgrade(plain, "0001"))
    await store.check_version()
    await store.close()


def test_the_known_revisions_are_those_of_the_migrations():
    known = migrate.known_revisions()
    assert known[-1] == migrate.head_revision()
    assert known == tuple(sorted(known))
    assert known[0] == "0001"
