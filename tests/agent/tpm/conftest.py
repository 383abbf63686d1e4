"""A real TPM for each test: a copy of one that was manufactured once."""

import pytest

from agent.tpm.address import parse
from agent.tpm.opening import open_tpm
from tests.fakes.swtpm import Swtpm, SwtpmUnavailableError, manufacture, missing


@pytest.fixture(scope="session")
def manufactured(tmp_path_factory):
    """The folder of a TPM's first state, beside it that of its maker's CA."""
    if reason := missing():
        pytest.skip(reason)
    try:
        return manufacture(tmp_path_factory.mktemp("tpm") / "maker")
    except SwtpmUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture
def swtpm(manufactured):
    """A running emulator."""
    emulator = Swtpm(manufactured)
    yield emulator
    emulator.stop()


@pytest.fixture
def tpm(swtpm):
    """An emulator that is open."""
    with open_tpm(parse(swtpm.uri)) as opened:
        yield opened
