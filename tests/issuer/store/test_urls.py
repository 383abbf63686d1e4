"""URLs that name a database, and the file that SQLite gets."""

import pytest
from sqlalchemy.engine import make_url

from issuer.store import Store, urls
from issuer.store.errors import StoreUrlError


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("sqlite:///green.db", "sqlite+aiosqlite"),
        ("sqlite+aiosqlite:////var/green.db", "sqlite+aiosqlite"),
        ("postgresql://green@db/green", "postgresql+asyncpg"),
        ("postgres://green@db/green", "postgresql+asyncpg"),
        ("postgresql+asyncpg://green@db/green", "postgresql+asyncpg"),
    ],
)
def test_a_url_gets_its_asynchronous_driver(given, driver):
    assert urls.database_url(given).drivername == driver


def test_libpq_sslmode_is_understood():
    url = urls.database_url("postgresql://db/green?sslmode=require")
    assert dict(url.query) == {"ssl": "require"}


@pytest.mark.parametrize("url", ["", "green.db", "mysql://db/green", "postgresql+psycopg://db/green", "://"])
def test_other_databases_are_refused(url):
    with pytest.raises(StoreUrlError):
        Store.open(url)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
def test_sqlite_in_memory_is_refused(url):
    with pytest.raises(StoreUrlError, match="needs a path"):
        Store.open(url)


def test_a_password_does_not_appear_in_the_error():
    with pytest.raises(StoreUrlError) as caught:
        Store.open("mysql://green:hunter2@db/green")
    assert "hunter2" not in str(caught.value)


def test_a_new_file_belongs_to_its_owner_alone(tmp_path):
    path = tmp_path / "green.db"
    urls.prepare_sqlite_file(make_url(f"sqlite:///{path}"))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_can_read_gives_a_notice(tmp_path):
    path = tmp_path / "green.db"
    path.touch()
    path.chmod(0o644)
    assert any("chmod 600" in notice for notice in Store.open(f"sqlite:///{path}").notices)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(StoreUrlError, match="No such file"):
        Store.open(f"sqlite:///{tmp_path}/missing/green.db")


@pytest.mark.parametrize("version", [(3, 40, 1), (3, 51, 2)])
def test_an_sqlite_with_the_wal_reset_bug_gives_a_notice(version):
    (notice,) = urls.version_notices(version)
    assert "3.51.3" in notice


@pytest.mark.parametrize("version", [(3, 51, 3), (3, 52, 0), (4, 0, 0)])
def test_a_fixed_sqlite_gives_none(version):
    assert urls.version_notices(version) == ()
