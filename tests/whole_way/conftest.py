"""An emulated TPM, and the databases that an issuer may have."""

import pytest

from tests.agent.tpm import conftest as running
from tests.fakes.postgres import PostgresServer, PostgresUnavailableError

manufactured, swtpm = running.manufactured, running.swtpm


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server."""
    try:
        server = PostgresServer()
    except PostgresUnavailableError as error:
        pytest.skip(str(error))
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request, tmp_path):
    """An empty database: SQLite in the issuer's folder, then PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'issuer' / 'data' / 'issuer.db'}"
    return request.getfixturevalue("postgres").create("whole_way")
