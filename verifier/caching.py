"""A fetcher that asks once for what many verifications need: the same few DID documents and status lists.

What it hands out a second time says so (origin ``cache``) and keeps the time at which it was really retrieved.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit

import msgspec

from schemas import digests
from verifier.errors import HostUnreachableError
from verifier.evidence import Fetched, absent
from verifier.fetch import Fetcher

KEEP_S: Final = 60.0
KEEP_FAILURE_S: Final = 5.0
MAX_BYTES: Final = 64 * 1024 * 1024
MAX_ENTRIES: Final = 4096

_Key: TypeAlias = tuple[str, tuple[str, ...]]


class _Entry(NamedTuple):
    """One answer, without its body, until when it counts, and the digest under which its body is kept."""

    fetched: Fetched
    until_s: float
    digest: str | None


class _Bodies:
    """Bodies by digest, so that equal ones are kept once, with how many entries have each."""

    def __init__(self) -> None:
        self.size = 0
        self._bodies: dict[str, bytes] = {}
        self._count: dict[str, int] = {}

    def __getitem__(self, digest: str) -> bytes:
        return self._bodies[digest]

    def add(self, body: bytes) -> str:
        digest = digests.digest(body)
        if digest not in self._bodies:
            self._bodies[digest] = body
            self.size += len(body)
        self._count[digest] = self._count.get(digest, 0) + 1
        return digest

    def drop(self, digest: str) -> None:
        self._count[digest] -= 1
        if not self._count[digest]:
            del self._count[digest]
            self.size -= len(self._bodies.pop(digest))


class CachingFetcher:
    """A Fetcher over ``inner`` that keeps answers for ``keep_s`` seconds, and failures for ``keep_failure_s``.

    Whoever asks for a URL that is being fetched waits for that fetch; one who gives up waiting does not end it
    for the others. After a connection to a host has failed, no URL of that host is asked for ``keep_failure_s``.
    ``keep_s`` 0 keeps nothing at all, failures neither. At most ``max_entries`` answers and ``max_bytes`` of
    bodies are kept; what was used longest ago goes first. For one event loop at a time.
    """

    def __init__(
        self,
        inner: Fetcher,
        *,
        keep_s: float = KEEP_S,
        keep_failure_s: float = KEEP_FAILURE_S,
        max_bytes: int = MAX_BYTES,
        max_entries: int = MAX_ENTRIES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._keep_s = keep_s
        self._keep_failure_s = min(keep_s, keep_failure_s)
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._monotonic = monotonic
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._bodies = _Bodies()
        self._dead: OrderedDict[str, tuple[Fetched, float]] = OrderedDict()
        self._under_way: dict[_Key, asyncio.Task[Fetched]] = {}

    async def fetch(self, url: str, accept: Sequence[str]) -> Fetched:
        """Return what is kept of ``url``, else what ``inner`` answers, asked once for all who wait."""
        key = (url, tuple(accept))
        kept = self._kept(key) or self._of_dead_host(url)
        if kept is not None:
            return kept
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(key))
            self._under_way[key] = task
        return await asyncio.shield(task)

    async def _ask(self, key: _Key) -> Fetched:
        try:
            fetched = await self._inner.fetch(*key)
        finally:
            del self._under_way[key]
        if self._keep_s:
            self._keep(key, fetched)
        return fetched

    def _kept(self, key: _Key) -> Fetched | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.until_s <= self._monotonic():
            self._forget(key)
            return None
        self._entries.move_to_end(key)
        body = None if entry.digest is None else self._bodies[entry.digest]
        return msgspec.structs.replace(entry.fetched, body=body, origin="cache")

    def _of_dead_host(self, url: str) -> Fetched | None:
        failed, until_s = self._dead.get(_host(url), (None, 0.0))
        if failed is None or until_s <= self._monotonic():
            return None
        error = HostUnreachableError(f"not asked again so soon: {failed.detail}")
        return absent(url, error, origin="cache", retrieved_at=failed.retrieved_at)

    def _keep(self, key: _Key, fetched: Fetched) -> None:
        now_s = self._monotonic()
        if fetched.unreachable:
            host = _host(fetched.url)
            self._dead[host] = (fetched, now_s + self._keep_failure_s)
            self._dead.move_to_end(host)
            while len(self._dead) > self._max_entries:
                self._dead.popitem(last=False)
        # A single large body must not drive out all the others.
        if len(fetched.body or b"") > self._max_bytes // 16:
            return
        self._forget(key)
        digest = None if fetched.body is None else self._bodies.add(fetched.body)
        until_s = now_s + (self._keep_failure_s if fetched.body is None else self._keep_s)
        self._entries[key] = _Entry(msgspec.structs.replace(fetched, body=None), until_s, digest)
        while len(self._entries) > self._max_entries or self._bodies.size > self._max_bytes:
            self._forget(next(iter(self._entries)))

    def _forget(self, key: _Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None and entry.digest is not None:
            self._bodies.drop(entry.digest)


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts.netloc.lower()
