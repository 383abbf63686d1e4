"""An emulated TPM beside the running services, and a stretch of a test that opens no connection."""

import sys
from contextlib import contextmanager

import pytest

from tests.agent.tpm import conftest as running

manufactured, swtpm = running.manufactured, running.swtpm

_CONTACTS = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"})
_watched: list[list[str]] = []


def _watch(event, _):
    if _watched and event in _CONTACTS:
        _watched[-1].append(event)


@pytest.fixture(scope="session")
def _audit_hook():
    # A hook stays for the life of the process.
    sys.addaudithook(_watch)


@pytest.fixture
def contacts_nobody(_audit_hook):
    """Give what fails where anything within it looks up a name or connects."""

    @contextmanager
    def watched():
        _watched.append([])
        try:
            yield
        finally:
            seen = _watched.pop()
        assert seen == []

    return watched
