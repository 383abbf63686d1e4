"""What holds for every hostile input: a second, bounded memory, no socket that was not expected."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

MAX_CPU_S: Final = 3.0
"""Alone on a machine each takes less than one; where cores are shared, the same work counts for more."""
MAX_GROWTH_KB: Final = 256 * 1024
_NAMES: Final = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"})


class Contacts:
    """The hosts and ports that this process tried to reach, by an audit hook of the interpreter."""

    def __init__(self) -> None:
        self.watching = False
        self.seen: list[str] = []
        self.allowed: set[int] = set()
        sys.addaudithook(self._hear)

    def allow(self, port: int) -> None:
        """Expect connections to a port of this machine: a server of the test's own."""
        self.allowed.add(port)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.watching and event in _NAMES:
            # Some events tell a socket and its address, others the host and the port.
            host, port = arguments[-1][:2] if isinstance(arguments[-1], tuple) else arguments[:2]
            if not (host in {"127.0.0.1", "::1"} and port in self.allowed):
                self.seen.append(f"{event} {host} {port}")


_CONTACTS = Contacts()


@pytest.fixture
def contacts() -> Iterator[Contacts]:
    """The sockets of this test; ``allow`` a port before it is used."""
    yield _CONTACTS
    _CONTACTS.allowed.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    mark = item.get_closest_marker("attack")
    if mark is None:
        return (yield)
    _CONTACTS.seen.clear()
    _CONTACTS.watching = not mark.kwargs["network"]
    memory_kb, started_s = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        result = yield
    finally:
        _CONTACTS.watching = False
    spent_s = time.process_time() - started_s
    growth_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_kb
    assert not _CONTACTS.seen, f"unexpected contacts: {_CONTACTS.seen}"
    assert mark.kwargs["heavy"] or spent_s < MAX_CPU_S, f"took {spent_s:.2f} s of CPU"
    assert growth_kb < MAX_GROWTH_KB, f"took {growth_kb} KB of memory"
    compared = item.callspec.params["expected"].compared  # type: ignore[attr-defined]
    assert compared, "the test compared nothing with what the row expects"
    return result
