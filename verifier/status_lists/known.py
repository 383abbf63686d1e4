"""Memory of status lists: the newest of each that this verifier has verified (security.md requirement 10).

A list has no expiry, so whoever serves an old one can hide a revocation that came later: a hostile cache, or a
host restored from a backup. What was seen once is not forgotten. Only what was verified is kept, and nobody else
writes here: what it says holds also where the key that signed it is gone (verifier.status_lists.status_list).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from schemas import times
from verifier.document import Document
from verifier.evidence import Evidence, Fetched, KnownList, name_of_list
from verifier.gather import named_lists
from verifier.memo import Memo
from verifier.moments import later
from verifier.status_lists.packed import key_of, pack, unpack
from verifier.status_lists.shares import Held, charge, holder_of, surplus
from verifier.status_lists.superseding import better

MAX_BYTES: Final = 64 * 1024 * 1024
"""Of one process's memory, and as much in the folder; each list counts for at least verifier.status_lists.shares.LEAST_BYTES."""


class KnownLists(Protocol):
    """Whoever remembers status lists. Neither method raises: a memory that fails is an empty one."""

    def newest(self, issuer: str, url: str, purpose: str) -> KnownList | None:
        """Return the newest list that ``issuer`` published at ``url`` for ``purpose``, as far as it is known."""
        ...

    def keep(self, listed: KnownList) -> None:
        """Remember a list that was verified, unless that would bring back an older one or take a revocation back."""
        ...


class InMemoryKnownLists:
    """The lists that this process has seen, up to ``max_bytes``, compressed; verifier.status_lists.shares says which go first.

    A list that takes more than MAX_PACKED_BYTES is not remembered.
    """

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._lists: OrderedDict[str, _Packed] = OrderedDict()
        self._lock = threading.Lock()

    def newest(self, issuer: str, url: str, purpose: str) -> KnownList | None:
        """Return the list, if it is remembered."""
        key = key_of(name_of_list(issuer, url, purpose))
        with self._lock:
            if key in self._lists:
                self._lists.move_to_end(key)
            found = self._lists.get(key)
        return None if found is None else unpack(found.content)

    def keep(self, listed: KnownList) -> None:
        """Remember ``listed``, unless what is known stands against it."""
        key, content = key_of(listed.name), pack(listed)
        if content is None or charge(len(content)) > self._max_bytes:
            return
        with self._lock:
            known = self._lists.get(key)
            if known is None or better(unpack(known.content), listed) is listed:
                self._put(key, _Packed(holder_of(listed.url), content))

    def _put(self, key: str, packed: _Packed) -> None:
        known = self._lists.get(key)
        self._bytes += charge(len(packed.content)) - (0 if known is None else charge(len(known.content)))
        self._lists[key] = packed
        self._lists.move_to_end(key)
        if self._bytes > self._max_bytes:
            held = [
                Held(name, one.holder, len(one.content), used) for used, (name, one) in enumerate(self._lists.items())
            ]
            for name in surplus(held, max_bytes=self._max_bytes, keeping=key):
                self._bytes -= charge(len(self._lists.pop(name).content))


class _Packed(NamedTuple):
    holder: str
    content: bytes


def recall(document: Document, known: KnownLists, *, until: datetime) -> Evidence:
    """Return what is remembered of the status lists that ``document`` names, issued by ``until``.

    A verdict for a time in the past has no use for what came later.
    """
    limit = times.render_seconds(until)
    remembered: dict[str, Fetched] = {}
    for issuer, url, purpose in named_lists(document):
        found = known.newest(issuer, url, purpose)
        if found is not None and found.issued <= limit:
            remembered[found.name] = found.as_evidence()
    return Evidence(remembered=remembered)


def remember(memo: Memo, known: KnownLists, *, now: datetime, leeway_s: int) -> None:
    """Keep the lists that a verdict found worth it. What is dated after ``now``, the real one, is never kept.

    (The verdict may have been one for a time to come.)
    """
    limit = times.render_seconds(later(now, leeway_s))
    for listed in memo.worth_keeping.values():
        if listed.issued <= limit:
            known.keep(listed)


def state_folder(environment: Mapping[str, str]) -> Path | None:
    """Return where the command line keeps what it remembers (XDG Base Directory Specification, state).

    None for a user without a home folder.
    """
    base = environment.get("XDG_STATE_HOME", "")
    # A relative path is invalid there, and to be ignored.
    if base.startswith("/"):
        return Path(base) / "green-verifier"
    try:
        home = Path(environment.get("HOME") or Path.home())
    except RuntimeError:
        return None
    return home / ".local" / "state" / "green-verifier"


def lists_folder(state: Path) -> Path:
    """Return the folder of the status lists in a state folder."""
    return state / "status-lists"
