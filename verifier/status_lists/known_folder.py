"""Memory of status lists that outlives the process: a folder, which several processes may share."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from schemas import times
from schemas.errors import MalformedValueError
from verifier.errors import ResourceLimitError
from verifier.evidence import KnownList, name_of_list
from verifier.status_lists.known import MAX_BYTES, InMemoryKnownLists
from verifier.status_lists.packed import MAX_PACKED_BYTES, key_of, pack, unpack
from verifier.status_lists.shares import Held, holder_of, surplus
from verifier.status_lists.superseding import better
from verifier.whole_files import NEW, read_whole, replace_whole

LOCK_TIMEOUT_S: Final = 2.0
_SUFFIX: Final = ".known-list"
_LOCK: Final = "lock"
_LOCK_PAUSE_S: Final = 0.01
_MAX_STAMPS: Final = 8192
_USE_NOTED_NS: Final = 3600 * 10**9
"""How far the noted time of a file's last use may lie behind: not every verdict writes to the disk."""


class FolderKnownLists:
    """The lists in ``folder``, one file each, and those of them that this process has used in memory.

    Several processes may share the folder: a list is replaced under a lock, only by one that verifier.status_lists.superseding
    lets take its place, and at once (a reader sees the old file or the new one). A look-up notices that another
    process has replaced a file. ``note`` is told, once each, what went wrong: the folder cannot be used, a file is
    damaged. Files are for their owner alone (0600).
    """

    def __init__(
        self,
        folder: Path,
        *,
        note: Callable[[str], None],
        max_bytes: int = MAX_BYTES,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
    ) -> None:
        """Take ``folder``, which need not be there yet."""
        self._folder = folder
        self._tell = note
        self._told: set[str] = set()
        self._max_bytes = max_bytes
        self._lock_timeout_s = lock_timeout_s
        self._memory = InMemoryKnownLists()
        self._stamps: dict[str, _Stamp] = {}

    def newest(self, issuer: str, url: str, purpose: str) -> KnownList | None:
        """Return the list, from memory where its file is still the one that was read, or else from its file."""
        name = name_of_list(issuer, url, purpose)
        file = _file_name(name, url)
        known, state = self._memory.newest(issuer, url, purpose), self._state(file)
        if state is None:
            return known
        if known is None or self._stamps.get(file) != _stamp(state):
            found = self._read(file, name)
            if found is not None:
                self._memory.keep(found)
                known = self._memory.newest(issuer, url, purpose)
            self._seen(file, state)
        self._used(file, state)
        return known

    def keep(self, listed: KnownList) -> None:
        """Remember ``listed`` in memory and on disk, unless what is there stands against it."""
        file = _file_name(listed.name, listed.url)
        if pack(listed) is None:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(self._folder / _LOCK, self._lock_timeout_s):
                self._keep_in_turn(file, listed)
        except OSError as error:
            self._note(f"status lists cannot be remembered in {self._folder}: {error.strerror or error}")
            self._memory.keep(listed)

    def _keep_in_turn(self, file: str, listed: KnownList) -> None:
        there = self._read(file, listed.name) if (self._folder / file).exists() else None
        best = listed if there is None else better(there, listed)
        # What could not be written at its time may be in this process's memory alone.
        known = self._memory.newest(listed.issuer, listed.url, listed.purpose)
        if known is not None:
            best = better(known, best)
        content = pack(best)
        if content is not None and (there is None or there.body != best.body):
            replace_whole(self._folder / file, content, mode=0o600, durable=True)
            self._tidy(keeping=file)
        self._memory.keep(best)

    def _note(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell(text)

    def _state(self, file: str) -> os.stat_result | None:
        try:
            return (self._folder / file).stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._note(f"the status lists remembered in {self._folder} cannot be read: {error.strerror or error}")
            return None

    def _seen(self, file: str, state: os.stat_result) -> None:
        if len(self._stamps) >= _MAX_STAMPS:
            self._stamps.clear()
        self._stamps[file] = _stamp(state)

    def _used(self, file: str, state: os.stat_result) -> None:
        """Note in the file's time of access that it was used: what nobody asks for goes first."""
        now_ns = time.time_ns()
        if now_ns - state.st_atime_ns > _USE_NOTED_NS:
            with contextlib.suppress(OSError):
                os.utime(self._folder / file, ns=(now_ns, state.st_mtime_ns))

    def _read(self, file: str, name: str) -> KnownList | None:
        """Return the list in a file, None where it is gone, damaged or another one; damage is noted."""
        try:
            found = unpack(read_whole(self._folder / file, max_bytes=MAX_PACKED_BYTES))
            times.parse_seconds(found.issued)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._note(f"{self._folder / file} cannot be read: {error.strerror or error}")
            return None
        except (msgspec.MsgspecError, zlib.error, UnicodeDecodeError, MalformedValueError, ResourceLimitError):
            self._note(f"{self._folder / file} is damaged: the status list in it is forgotten")
            return None
        return found if found.name == name else None

    def _tidy(self, *, keeping: str) -> None:
        """Remove the files that are more than the folder may hold, and what a crash left."""
        for left in self._folder.glob(f"{NEW}*"):
            left.unlink(missing_ok=True)  # under the lock, so nobody is writing it
        held = []
        for entry in self._folder.iterdir():
            if entry.name.endswith(_SUFFIX):
                state = entry.stat()
                used = max(state.st_atime, state.st_mtime)
                held.append(Held(entry.name, entry.name.partition("-")[0], state.st_size, used))
        for name in surplus(held, max_bytes=self._max_bytes, keeping=keeping):
            (self._folder / name).unlink(missing_ok=True)


class _Stamp(NamedTuple):
    inode: int
    modified_ns: int
    size: int


def _stamp(state: os.stat_result) -> _Stamp:
    return _Stamp(state.st_ino, state.st_mtime_ns, state.st_size)


def _file_name(name: str, url: str) -> str:
    # No part of a stranger's URL becomes part of a path. Whose share it counts on can be told without reading it.
    return f"{key_of(holder_of(url))[:16]}-{key_of(name)}{_SUFFIX}"


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
