"""Running issuer services for the tests of the routes: on SQLite, and where the store matters on both databases."""

from __future__ import annotations

import shutil

import pytest

from tests.fakes import site as sites
from tests.fakes.postgres import PostgresServer, PostgresUnavailableError

_FURNISHED = "site"


@pytest.fixture(scope="session")
def furnished(tmp_path_factory):
    """A folder with a furnished SQLite database and the issuer's key."""
    folder = tmp_path_factory.mktemp("site")
    sites.furnish_in_a_thread(f"sqlite:///{folder / 'issuer.db'}", folder)
    return folder


@pytest.fixture(scope="session")
def site_postgres(tmp_path_factory):
    try:
        server = PostgresServer()
    except PostgresUnavailableError as error:
        pytest.skip(str(error))
    sites.furnish_in_a_thread(server.create(_FURNISHED), tmp_path_factory.mktemp("site-keys"))
    server.keep_rows(_FURNISHED)
    yield server
    server.stop()


@pytest.fixture
def site_url(furnished, tmp_path):
    """A furnished SQLite database of the test's own."""
    path = tmp_path / "issuer.db"
    shutil.copyfile(furnished / "issuer.db", path)
    path.chmod(0o600)
    return f"sqlite:///{path}"


@pytest.fixture
async def site(site_url):
    """A running service on SQLite."""
    built = sites.build(sites.site_settings(site_url))
    async with built.client:
        yield built


@pytest.fixture
async def open_site(site_url):
    """Open a service with some settings changed; it is closed at the end."""
    opened = []

    async def open_one(**changes):
        built = sites.build(sites.site_settings(site_url, **changes))
        await built.client.__aenter__()
        opened.append(built)
        return built

    yield open_one
    for built in opened:
        await built.client.__aexit__(None, None, None)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def any_site(request):
    """A running service on SQLite, then on PostgreSQL."""
    if request.param == "sqlite":
        url = request.getfixturevalue("site_url")
    else:
        server = request.getfixturevalue("site_postgres")
        server.restore_rows(_FURNISHED)
        url = server.url(_FURNISHED)
    built = sites.build(sites.site_settings(url))
    async with built.client:
        yield built
