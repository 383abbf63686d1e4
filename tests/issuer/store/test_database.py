"""Transactions: durable, immediate for writers, steady for readers."""

import asyncio
import glob
import shutil
import stat
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from issuer.errors import OverloadedError
from issuer.store import Store
from issuer.store.database import Database
from issuer.store.errors import ConflictError, StorageFailedError, StoreUrlError, UnavailableError
from issuer.store.models import TENANT
from tests.fakes.stored import NOW_US


@pytest.fixture
async def database(database_url):
    opened = Database(database_url, busy_timeout_s=5)
    yield opened
    await opened.close()


async def _setting(connection, name, *, sqlite):
    statement = f"PRAGMA {name}" if sqlite else f"SHOW {name}"
    return (await connection.execute(text(statement))).scalar()


@pytest.mark.parametrize(
    ("name", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5000), ("query_only", 0)],
)
async def test_sqlite_is_set_to_keep_what_it_acknowledged(database, name, value):
    if not database.is_sqlite:
        pytest.skip("pragmas are SQLite's")
    async with database.write() as connection:
        assert await _setting(connection, name, sqlite=True) == value


@pytest.mark.parametrize(("name", "value"), [("synchronous_commit", "on"), ("transaction_isolation", "read committed")])
async def test_postgresql_is_set_to_keep_what_it_acknowledged(database, name, value):
    if database.is_sqlite:
        pytest.skip("settings of a session are PostgreSQL's")
    async with database.write() as connection:
        assert await _setting(connection, name, sqlite=False) == value


async def test_a_writer_of_postgresql_does_not_wait_for_a_lock_for_ever(database_url):
    first, other = Database(database_url), Database(database_url, busy_timeout_s=0.2)
    if first.is_sqlite:
        pytest.skip("SQLite has its busy timeout")
    async with first.write() as connection:
        await connection.execute(text("LOCK TABLE tenant IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(UnavailableError):
            async with asyncio.timeout(10), other.write() as second:
                await second.execute(text("SELECT 1 FROM tenant"))
    await first.close()
    await other.close()


async def test_readers_of_sqlite_cannot_write(database):
    if not database.is_sqlite:
        pytest.skip("readers share PostgreSQL's pool")
    with pytest.raises(DBAPIError, match="readonly"):
        async with database.read() as connection:
            await connection.execute(TENANT.delete())


async def test_a_writer_of_sqlite_holds_the_lock_from_its_beginning(database, database_url):
    if not database.is_sqlite:
        pytest.skip("PostgreSQL locks rows")
    other = Database(database_url, busy_timeout_s=0.05)
    async with database.write() as connection:
        await connection.execute(text("SELECT 1"))
        with pytest.raises(UnavailableError):
            async with other.write() as second:
                await second.execute(text("SELECT 1"))
        async with other.read() as reader:
            assert (await reader.execute(text("SELECT count(*) FROM tenant"))).scalar() == 2
    await other.close()


async def test_a_reader_of_sqlite_sees_one_moment(database, store):
    if not database.is_sqlite:
        pytest.skip("PostgreSQL reads what is committed")
    async with database.read() as connection:
        before = (await connection.execute(text("SELECT count(*) FROM tenant"))).scalar()
        await store.tenants.add("late", "root", "Late", now_us=NOW_US)
        assert (await connection.execute(text("SELECT count(*) FROM tenant"))).scalar() == before


async def test_what_raises_is_rolled_back(database, store):
    async def write_and_fail():
        async with database.write() as connection:
            await connection.execute(TENANT.insert().values(id="x", issuer_slug="root", name="x", created_us=1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()
    assert await store.tenants.get("x") is None


async def test_a_cancelled_writer_leaves_nothing_and_no_lock(database, store):
    entered = asyncio.Event()

    async def write():
        async with database.write() as connection:
            await connection.execute(TENANT.insert().values(id="x", issuer_slug="root", name="x", created_us=1))
            entered.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(write())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.tenants.add("x", "root", "X", now_us=NOW_US)


async def test_writers_of_one_process_queue_up(store):
    await asyncio.gather(*(store.tenants.add(f"t{n}", "root", "T", now_us=NOW_US) for n in range(50)))
    assert len(await store.tenants.all()) == 52


async def test_after_a_restart_of_the_server_calls_work_again(store, postgres_server):
    if store._database.is_sqlite:
        pytest.skip("SQLite has no server")
    await store.health()
    postgres_server.disconnect_all()
    with pytest.raises(UnavailableError):
        await store.tenants.add("x", "root", "X", now_us=NOW_US)
    await store.tenants.add("x", "root", "X", now_us=NOW_US)


async def test_a_taken_key_is_a_conflict(store):
    with pytest.raises(ConflictError):
        await store.tenants.add("acme", "root", "Acme again", now_us=NOW_US)


async def test_the_files_of_the_write_ahead_log_belong_to_their_owner_alone(store, database_url):
    if not store._database.is_sqlite:
        pytest.skip("PostgreSQL keeps its files itself")
    await store.tenants.add("x", "root", "X", now_us=NOW_US)
    folder = Path(database_url.removeprefix("sqlite:///")).parent
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.glob("green.db*")} == {0o600}


async def test_a_server_that_is_not_there_is_unavailable():
    store = Store.open("postgresql://green@127.0.0.1:1/green", busy_timeout_s=1)
    with pytest.raises(UnavailableError):
        await store.health()
    await store.close()


async def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "green.db"
    path.write_bytes(b"not a database, but long enough to look like one" * 100)
    store = Store.open(f"sqlite:///{path}")
    with pytest.raises(Exception, match="storage") as caught:
        await store.health()
    assert caught.value.name == "STORAGE_FAILED"
    await store.close()


def test_errors_of_the_url_are_settings_errors(tmp_path):
    with pytest.raises(StoreUrlError):
        Database("mysql://db/green")


async def test_the_error_of_a_statement_shows_no_value(database):
    with pytest.raises(DBAPIError) as caught:
        async with database.write() as connection:
            await connection.execute(text("SELECT no_such_column, :secret"), {"secret": "s3cret"})
    assert "s3cret" not in str(caught.value)


def _take_away(path, *, replaced):
    shutil.move(path, path + ".away")
    if replaced:
        Path(path).touch(mode=0o600)


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
@pytest.mark.parametrize("then", ["removed", "replaced"])
async def test_what_goes_into_a_log_that_was_removed_is_not_acknowledged(store, database_url, suffix, then):
    if not store._database.is_sqlite:
        pytest.skip("PostgreSQL keeps its files itself")
    await store.tenants.add("before", "root", "T", now_us=NOW_US)
    _take_away(database_url.removeprefix("sqlite:///") + suffix, replaced=then == "replaced")
    with pytest.raises(StorageFailedError, match="-wal"):
        await store.tenants.add("after", "root", "T", now_us=NOW_US)
    with pytest.raises(StorageFailedError):
        await store.health()


async def test_a_log_that_goes_with_the_last_connection_and_comes_again_is_in_order(store, database_url):
    if not store._database.is_sqlite:
        pytest.skip("PostgreSQL keeps its files itself")
    path = database_url.removeprefix("sqlite:///")
    for name in ("first", "second"):
        await store.tenants.add(name, "root", "T", now_us=NOW_US)
        await store.health()
        assert list(store._database._file._logs) == [path + "-wal", path + "-shm"]
        await store.close()
        assert not glob.glob(path + "-*")  # noqa: PTH207 - asynchronous functions use no Path
        # So that a new one in its place has another number, as it mostly has.
        _take_away(shutil.copyfile(path, f"{path}.{name}"), replaced=True)


async def test_listings_of_all_tenants_leave_connections_for_others(store):
    engine, out, most = store._database._reader.sync_engine, 0, 0

    def taken(*_):
        nonlocal out, most
        out += 1
        most = max(most, out)

    def given_back(*_):
        nonlocal out
        out -= 1

    event.listen(engine, "checkout", taken)
    event.listen(engine, "checkin", given_back)
    tenants = ["acme", "umbra", "third", None] * 3
    await asyncio.gather(
        *(store.credentials.page(tenant) for tenant in tenants),
        *(store.credentials.emissions(tenant) for tenant in tenants),
        *(store.windows.in_period(tenant, None, None, 0, 10) for tenant in tenants),
        *(anext(store.credentials.export(tenant), None) for tenant in tenants),
    )
    assert most == 2


async def test_a_tenant_has_one_listing_at_a_time_and_others_get_theirs(database_url):
    database = Database(database_url, busy_timeout_s=0.5)
    async with database.list_rows("acme"):
        with pytest.raises(OverloadedError, match="listings"):
            async with database.list_rows("acme"):
                pass
        async with database.list_rows("umbra") as connection:
            assert (await connection.execute(text("SELECT count(*) FROM tenant"))).scalar() == 2
    await database.close()


async def test_a_page_of_a_node_is_read_by_an_index(store):
    if not store._database.is_sqlite:
        pytest.skip("PostgreSQL plans by the size of the table")
    statements = []
    event.listen(
        store._database._reader.sync_engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, parameters, *_: statements.append((statement, parameters)),
    )
    await store.credentials.page("acme", node_id="acme-node")
    ((statement, parameters),) = [found for found in statements if "FROM credential" in found[0]]
    async with store._database.read() as connection:
        plan = (await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)).all()
    assert "ix_credential_node_period" in str(plan)
