"""Memory of status lists: the newest of each that this verifier has verified (security.md requirement 10).

A list has no expiry, so whoever serves an old one can hide a revocation that came later: a hostile cache, or a
host restored from a backup. What was seen once is not forgotten. The lists in here are no authority: each is
verified again, with the keys of the day, before it counts (verifier.status_list).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import msgspec

from schemas import times
from schemas.errors import MalformedValueError
from verifier.document import Document
from verifier.evidence import Evidence, Fetched, KnownList, name_of_list
from verifier.gather import named_lists
from verifier.memo import Memo

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_FOLDER_BYTES: Final = 256 * 1024 * 1024
MAX_FILES: Final = 2000
LOCK_TIMEOUT_S: Final = 2.0
_MAX_FILE_BYTES: Final = 8 * 1024 * 1024
_SUFFIX: Final = ".known-list"
_NEW: Final = ".new-"
_LOCK: Final = "lock"
_LOCK_PAUSE_S: Final = 0.01


class KnownLists(Protocol):
    """Whoever remembers status lists. Neither method raises: a memory that fails is an empty one."""

    def newest(self, issuer: str, url: str) -> KnownList | None:
        """Return the newest list that ``issuer`` published at ``url``, as far as it is known."""
        ...

    def keep(self, listed: KnownList) -> None:
        """Remember a list that was verified, unless one is remembered that was issued later."""
        ...


class InMemoryKnownLists:
    """The lists that this process has seen, up to ``max_bytes``; the one asked for longest ago goes first."""

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._lists: OrderedDict[str, KnownList] = OrderedDict()
        self._lock = threading.Lock()

    def newest(self, issuer: str, url: str) -> KnownList | None:
        """Return the list, if it is remembered."""
        name = name_of_list(issuer, url)
        with self._lock:
            if name in self._lists:
                self._lists.move_to_end(name)
            return self._lists.get(name)

    def keep(self, listed: KnownList) -> None:
        """Remember ``listed``, unless a later one is."""
        with self._lock:
            known = self._lists.get(listed.name)
            if len(listed.body) > self._max_bytes or (known is not None and known.issued > listed.issued):
                return
            self._bytes += len(listed.body) - (0 if known is None else len(known.body))
            self._lists[listed.name] = listed
            self._lists.move_to_end(listed.name)
            while self._bytes > self._max_bytes:
                _, oldest = self._lists.popitem(last=False)
                self._bytes -= len(oldest.body)


class FolderKnownLists:
    """The lists in ``folder``, one file each, and those of them that this process has used in memory.

    Several processes may share the folder: a list is replaced under a lock, by a later one only, and at once
    (a reader sees the old file or the new one). A look-up reads the disk only where memory has nothing and the
    folder had a file when last looked at; what another process keeps meanwhile may go unseen until this one
    sees the list itself. ``note`` is told, once each, what went wrong: the folder cannot be used, a file is
    damaged. Files are for their owner alone (0600).
    """

    def __init__(
        self,
        folder: Path,
        *,
        note: Callable[[str], None],
        max_files: int = MAX_FILES,
        max_bytes: int = MAX_FOLDER_BYTES,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
    ) -> None:
        """Take ``folder``, which need not be there yet."""
        self._folder = folder
        self._tell = note
        self._told: set[str] = set()
        self._max_files = max_files
        self._max_bytes = max_bytes
        self._lock_timeout_s = lock_timeout_s
        self._memory = InMemoryKnownLists()
        self._files = self._listing()

    def newest(self, issuer: str, url: str) -> KnownList | None:
        """Return the list, from memory or else from its file."""
        known = self._memory.newest(issuer, url)
        file = _file_name(name_of_list(issuer, url))
        if known is not None or file not in self._files:
            return known
        found = self._read(file, name_of_list(issuer, url))
        if found is None:
            self._files.discard(file)
        else:
            self._memory.keep(found)
        return found

    def keep(self, listed: KnownList) -> None:
        """Remember ``listed`` in memory and on disk, unless a later one is there."""
        self._memory.keep(listed)
        file = _file_name(listed.name)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(self._folder / _LOCK, self._lock_timeout_s):
                there = self._read(file, listed.name) if (self._folder / file).exists() else None
                if there is not None and there.issued > listed.issued:
                    self._memory.keep(there)
                elif there != listed:
                    _replace(self._folder, file, msgspec.json.encode(listed))
                    self._tidy(keeping=file)
        except OSError as error:
            self._note(f"status lists cannot be remembered in {self._folder}: {error.strerror or error}")
        else:
            self._files.add(file)

    def _note(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell(text)

    def _listing(self) -> set[str]:
        try:
            return {entry.name for entry in self._folder.iterdir() if entry.name.endswith(_SUFFIX)}
        except FileNotFoundError:
            return set()
        except OSError as error:
            self._note(f"the status lists remembered in {self._folder} cannot be read: {error.strerror or error}")
            return set()

    def _read(self, file: str, name: str) -> KnownList | None:
        """Return the list in a file, None where it is gone, damaged or another one; damage is noted."""
        try:
            with (self._folder / file).open("rb") as opened:
                found = msgspec.json.decode(opened.read(_MAX_FILE_BYTES + 1), type=KnownList)
            times.parse_seconds(found.issued)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._note(f"{self._folder / file} cannot be read: {error.strerror or error}")
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError, MalformedValueError):
            self._note(f"{self._folder / file} is damaged: the status list in it is forgotten")
            return None
        return found if found.name == name else None

    def _tidy(self, *, keeping: str) -> None:
        """Remove the files written longest ago that are more than the folder may hold, and what a crash left."""
        for left in self._folder.glob(f"{_NEW}*"):
            left.unlink(missing_ok=True)  # under the lock, so nobody is writing it
        found = [(entry.stat(), entry) for entry in self._folder.iterdir() if entry.name.endswith(_SUFFIX)]
        newest_first = sorted(found, key=lambda item: (item[1].name == keeping, item[0].st_mtime_ns), reverse=True)
        size = 0
        for number, (state, entry) in enumerate(newest_first, start=1):
            size += state.st_size
            if number > 1 and (number > self._max_files or size > self._max_bytes):
                entry.unlink(missing_ok=True)
                self._files.discard(entry.name)


def recall(document: Document, known: KnownLists, *, until: datetime) -> Evidence:
    """Return what is remembered of the status lists that ``document`` names, issued by ``until``.

    A verdict for a time in the past has no use for what came later.
    """
    limit = times.render_seconds(until)
    remembered: dict[str, Fetched] = {}
    for issuer, url in named_lists(document):
        found = known.newest(issuer, url)
        if found is not None and found.issued <= limit:
            remembered[found.name] = found.as_evidence()
    return Evidence(remembered=remembered)


def remember(memo: Memo, known: KnownLists, *, now: datetime, leeway_s: int) -> None:
    """Keep the lists that a verdict found worth it. What is dated after ``now``, the real one, is never kept.

    (The verdict may have been one for a time to come.)
    """
    limit = times.render_seconds(now + timedelta(seconds=leeway_s))
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


def _file_name(name: str) -> str:
    # No part of a stranger's URL becomes part of a path.
    return hashlib.sha256(name.encode()).hexdigest() + _SUFFIX


@contextlib.contextmanager
def _locked(path: Path, timeout_s: float) -> Iterator[None]:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _take_turn(descriptor, timeout_s)
        yield
    finally:
        os.close(descriptor)


def _take_turn(descriptor: int, timeout_s: float) -> None:
    # Not for ever: no verification waits for a process that was stopped while it held the lock.
    deadline_s = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline_s:
                raise
            time.sleep(_LOCK_PAUSE_S)
        else:
            return


def _replace(folder: Path, file: str, content: bytes) -> None:
    # mkstemp makes the file for its owner alone.
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=_NEW)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        Path(temporary).replace(folder / file)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
