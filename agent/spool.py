"""The spool: what was measured and not yet acknowledged, on disk.

    spool/
      pending/    one file a record, named so that the names sort by age
      rejected/   what the issuer refused for good, each with its problem document beside it
      lost        how many records found no room, and when (written over in place, so it needs no room itself)
      sending     locked by the one process that sends

The guarantee: when ``enqueue`` returns, the record is on disk and survives kill -9 and a power cut; when it raises,
the record was not kept and ``lost`` says so. Files are written aside, fsynced, then renamed, and the folder is
fsynced: a record is there whole or not at all. A record leaves ``pending/`` only by ``acknowledge`` or ``reject``.
Sending is therefore at least once; the issuer answers a repeated record with the same credential.

Any number of processes may enqueue; one at a time sends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.errors import SpoolError, SpoolFullError
from agent.files import held, make_folder, sync_folder, write_file

MAX_BYTES: Final = 1024 * 1024 * 1024
"""Default bound of the spool: about 260,000 records, by the blocks that they take."""

BLOCK_BYTES: Final = 4096
"""A file takes at least one block, so a record counts as at least this much."""

_RECOUNT_EVERY: Final = 256
_LEFTOVER_AGE_S: Final = 3600
_LOST_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class Losses:
    """Records that found no room: how many, and the times (ns since 1970) of the first and the last."""

    count: int = 0
    first_wall_ns: int = 0
    last_wall_ns: int = 0


class Spool:
    """A spool in a folder, made if it is missing (mode 0700)."""

    def __init__(self, folder: Path, clock: Clock, *, max_bytes: int = MAX_BYTES) -> None:
        """Open the spool in ``folder``, of at most ``max_bytes``. Raises SpoolError."""
        self.folder = folder
        self.pending_folder = folder / "pending"
        self.rejected_folder = folder / "rejected"
        self._clock = clock
        self._max_bytes = max_bytes
        self._used_bytes = 0
        self._until_recount = 0
        try:
            for part in (folder, self.pending_folder, self.rejected_folder):
                make_folder(part)
            self._remove_leftovers()
            self._lost = os.open(folder / "lost", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if os.fstat(self._lost).st_size < _LOST_BYTES:
                os.pwrite(self._lost, b" " * _LOST_BYTES, 0)
        except OSError as error:
            raise SpoolError(f"the spool {folder} cannot be opened: {error.strerror}") from error

    def close(self) -> None:
        """Give back the spool's file descriptor."""
        os.close(self._lost)

    def enqueue(self, record: bytes) -> str:
        """Keep ``record`` and return its name. When this returns, it is on disk.

        Raises SpoolFullError where there is no room, in the bound or on the disk, and SpoolError for other
        failures; either way the loss is noted.
        """
        name = f"{self._clock.wall_ns():020d}-{secrets.token_hex(8)}.json"
        self.keep(name, record)
        return name

    def keep(self, name: str, record: bytes) -> None:
        """Keep ``record`` under a name of the caller's; as ``enqueue``."""
        size = _occupied(len(record))
        try:
            self._make_room(size)
            write_file(self.pending_folder / name, record)
        except SpoolFullError:
            self.note_loss()
            raise
        except OSError as error:
            self.note_loss()
            raise SpoolFullError(f"a record could not be written to {self.folder}: {error.strerror}") from error
        self._used_bytes += size

    def pending(self) -> list[str]:
        """Return the names of what is not acknowledged, oldest first."""
        return _names(self.pending_folder)

    def rejected(self) -> list[str]:
        """Return the names of what the issuer refused for good, oldest first."""
        return [name for name in _names(self.rejected_folder) if not name.endswith(".problem.json")]

    def load(self, name: str) -> bytes | None:
        """Return a pending record's bytes, None where it is gone. Raises SpoolError."""
        try:
            return (self.pending_folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SpoolError(f"{name} in the spool cannot be read: {error.strerror}") from error

    def acknowledge(self, name: str) -> None:
        """Forget a record that the issuer has answered for: the answer must be stored before this is called."""
        # Not fsynced: a record that a power cut brings back is sent again and gets the same answer.
        (self.pending_folder / name).unlink(missing_ok=True)

    def reject(self, name: str, problem: bytes) -> None:
        """Move a record to ``rejected/`` with the problem document (JSON) beside it."""
        write_file(self.rejected_folder / f"{name.removesuffix('.json')}.problem.json", problem)
        with contextlib.suppress(FileNotFoundError):
            (self.pending_folder / name).rename(self.rejected_folder / name)
        sync_folder(self.rejected_folder)
        sync_folder(self.pending_folder)
        self._used_bytes += _occupied(len(problem))

    def problem(self, name: str) -> bytes | None:
        """Return the problem document of a rejected record, None where there is none."""
        try:
            return (self.rejected_folder / f"{name.removesuffix('.json')}.problem.json").read_bytes()
        except FileNotFoundError:
            return None

    def retry_rejected(self, names: Sequence[str] | None = None) -> int:
        """Put rejected records back in the queue, those of ``names`` or every one, and return how many."""
        names = self.rejected() if names is None else names
        for name in names:
            (self.rejected_folder / name).rename(self.pending_folder / name)
            (self.rejected_folder / f"{name.removesuffix('.json')}.problem.json").unlink(missing_ok=True)
        sync_folder(self.pending_folder)
        sync_folder(self.rejected_folder)
        return len(names)

    def discard_rejected(self) -> int:
        """Delete every rejected record with its problem document, for good, and return how many records."""
        names = self.rejected()
        for name in names:
            (self.rejected_folder / name).unlink(missing_ok=True)
            (self.rejected_folder / f"{name.removesuffix('.json')}.problem.json").unlink(missing_ok=True)
        sync_folder(self.rejected_folder)
        # Counted anew before the next record: there is room again.
        self._until_recount = 0
        return len(names)

    def sending(self) -> AbstractContextManager[None]:
        """Hold the right to send in a block. Raises SpoolBusyError where another process, or thread, holds it."""
        return held(self.folder / "sending", "another process is sending from this spool")

    def note_loss(self) -> None:
        """Count a record that was not kept."""
        fcntl.flock(self._lost, fcntl.LOCK_EX)
        try:
            before = self.losses()
            now_ns = self._clock.wall_ns()
            text = json.dumps([before.count + 1, before.first_wall_ns or now_ns, now_ns])
            os.pwrite(self._lost, text.encode().ljust(_LOST_BYTES), 0)
        except OSError:  # a disk that refuses even this must not hide the error that brought us here
            return
        finally:
            fcntl.flock(self._lost, fcntl.LOCK_UN)

    def acknowledge_losses(self) -> Losses:
        """Begin to count anew, and return what was not kept so far. Raises SpoolError."""
        fcntl.flock(self._lost, fcntl.LOCK_EX)
        try:
            before = self.losses()
            os.pwrite(self._lost, b" " * _LOST_BYTES, 0)
        except OSError as error:
            raise SpoolError(f"{self.folder / 'lost'} cannot be written: {error.strerror}") from error
        finally:
            fcntl.flock(self._lost, fcntl.LOCK_UN)
        return before

    def losses(self) -> Losses:
        """Return what was not kept."""
        text = os.pread(self._lost, _LOST_BYTES, 0).strip()
        try:
            count, first_wall_ns, last_wall_ns = json.loads(text or b"[0, 0, 0]")
            return Losses(max(int(count), 0), int(first_wall_ns), int(last_wall_ns))
        except (ValueError, TypeError, OverflowError, RecursionError):
            # Damaged: something was lost, and how much is not known any more.
            return Losses(1)

    def _make_room(self, size: int) -> None:
        # Counting is one directory scan, so what others enqueue is seen only now and then; the bound is that soft.
        if self._until_recount == 0 or self._used_bytes + size > self._max_bytes:
            self._until_recount = _RECOUNT_EVERY
            self._used_bytes = sum(_folder_bytes(part) for part in (self.pending_folder, self.rejected_folder))
        self._until_recount -= 1
        if self._used_bytes + size > self._max_bytes:
            raise SpoolFullError(
                f"the spool {self.folder} holds {self._used_bytes} bytes, its bound is {self._max_bytes}: "
                "reach the issuer, look at rejected/, or raise spool_max_bytes"
            )

    def _remove_leftovers(self) -> None:
        # What a killed process was writing: enqueue never returned for it. Younger ones may be in the making.
        oldest_s = time.time() - _LEFTOVER_AGE_S
        for part in (self.pending_folder, self.rejected_folder):
            for path in part.glob(".*.part"):
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < oldest_s:
                        path.unlink()


def _occupied(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def _names(folder: Path) -> list[str]:
    # Files alone: opening a stranger's named pipe would wait for ever, and a link would send what it points to.
    return sorted(
        entry.name
        for entry in os.scandir(folder)
        if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False)
    )


def _folder_bytes(folder: Path) -> int:
    total = 0
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):
            total += _occupied(entry.stat().st_size)
    return total
