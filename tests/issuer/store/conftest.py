"""Each test of the store runs on SQLite and on PostgreSQL, in a fresh database that is migrated already."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from issuer.store import Store
from tests.fakes.postgres import PostgresServer, PostgresUnavailableError
from tests.fakes.stored import furnish

DATABASES = [pytest.param("sqlite"), pytest.param("postgresql", marks=pytest.mark.postgres)]
_FURNISHED = "furnished"
_names = itertools.count(1)


def _prepare(url: str) -> None:
    async def run() -> None:
        store = Store.open(url)
        await store.migrate()
        await furnish(store)
        await store.close()

    # A thread has no event loop yet, whatever loop the first test that asks for this is about to run in.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()


@pytest.fixture(scope="session")
def postgres_server():
    try:
        server = PostgresServer()
    except PostgresUnavailableError as error:
        pytest.skip(str(error))
    _prepare(server.create(_FURNISHED))
    server.keep_rows(_FURNISHED)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory):
    path = tmp_path_factory.mktemp("template") / "green.db"
    _prepare(f"sqlite:///{path}")
    return path


@pytest.fixture(params=DATABASES)
def database_url(request, tmp_path):
    """A database with the tables, one issuer, two tenants and a node each (tests.fakes.stored.furnish)."""
    if request.param == "sqlite":
        path = tmp_path / "green.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        path.chmod(0o600)
        return f"sqlite:///{path}"
    server = request.getfixturevalue("postgres_server")
    server.restore_rows(_FURNISHED)
    return server.url(_FURNISHED)


@pytest.fixture(params=DATABASES)
def empty_url(request, tmp_path):
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return request.getfixturevalue("postgres_server").create(f"empty_{next(_names)}")


@pytest.fixture
async def open_store(database_url):
    """Open further stores on the same database, as other replicas would; all are closed at the end."""
    opened = []

    def open_one(**settings):
        settings = {"list_size": 1024, "randomness": random.Random(len(opened)), "pool_size": 8} | settings
        opened.append(Store.open(database_url, **settings))
        return opened[-1]

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture
def store(open_store):
    return open_store()
