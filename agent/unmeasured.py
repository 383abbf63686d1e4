"""Work that runs and is not measured: what stands in for a meter then, and how many pieces of it there were.

Trouble with measuring never keeps work from running. It is warned of once, told where the work ends, and counted in
the home, so that ``green-agent status`` shows it.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.errors import MeasurementError, SettingsError, SpoolError, UnmeasuredError
from agent.identifiers import uuid7
from agent.ledger import Entry
from agent.measurement import UNCOUNTED, Counts, Measurement, Stamp
from agent.retry import printable
from agent.session import Measurer, Running
from agent.windows.work import check_names
from schemas.errors import GreenError

_BYTES: Final = 512
_LONGEST_REASON: Final = 300
_WRITE_EVERY_S: Final = 1.0
_TRIES: Final = 20
_PAUSE_S: Final = 0.005

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """How many pieces of work were not measured, and of the last of them when (µs since 1970) and why."""

    count: int = 0
    last_us: int = 0
    reason: str = ""


class UnmeasuredBook:
    """Counts them in a file that all processes of a home share. It never waits for another process, and never raises.

    At most once a second it writes; ``flush`` writes the rest, so kill -9 costs the count of a second.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        """Go on counting at ``path``."""
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._more = Unmeasured()
        self._written_s = -_WRITE_EVERY_S

    def note(self, reason: str) -> None:
        """Count a piece of work that was not measured."""
        with self._lock:
            now_us = self._clock.wall_ns() // 1000
            self._more = Unmeasured(self._more.count + 1, now_us, printable(reason)[:_LONGEST_REASON])
            if time.monotonic() - self._written_s >= _WRITE_EVERY_S:
                self._write(tries=1)

    def flush(self) -> None:
        """Write what is counted and not written yet."""
        with self._lock:
            if self._more.count:
                self._write(tries=_TRIES)

    def _write(self, *, tries: int) -> None:
        self._written_s = time.monotonic()
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                # A process that is stopped while it holds the lock must not stop this one.
                if not _locked(descriptor, tries):
                    return
                before = _read(descriptor)
                _put(descriptor, Unmeasured(before.count + self._more.count, self._more.last_us, self._more.reason))
                self._more = Unmeasured()
            finally:
                os.close(descriptor)
        except OSError as error:
            # Another user's program, or a full disk: the log is what is left.
            _log.debug("work that was not measured cannot be counted", extra={"reason": str(error)})


def read_unmeasured(path: Path) -> Unmeasured:
    """Return what was counted at ``path``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return Unmeasured()
    try:
        return _read(descriptor)
    finally:
        os.close(descriptor)


def forget_unmeasured(path: Path) -> Unmeasured:
    """Return what was counted at ``path`` for the last time. Raises SpoolError."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return Unmeasured()
    except OSError as error:
        raise SpoolError(f"{path} cannot be written: {error.strerror}") from error
    try:
        if not _locked(descriptor, _TRIES):
            raise SpoolError(f"{path} is being written by another process; try again")
        before = _read(descriptor)
        os.pwrite(descriptor, b" " * _BYTES, 0)
    finally:
        os.close(descriptor)
    return before


class NotMeasured:
    """Stands in for a measurer that could not be opened, or does not take some work: the work runs all the same."""

    simulated = False
    has_room_for_counts = True

    def __init__(self, reason: str, clock: Clock) -> None:
        """Say of all work that it was not measured, because of ``reason``."""
        self.reason = reason
        self._clock = clock

    def start(
        self,
        model_id: str,
        inference_id: str | None = None,
        parent: Running | None = None,
        tenant_id: str | None = None,
    ) -> Running:
        """Return work that runs. Raises SettingsError for names that cannot be."""
        del parent
        if inference_id is None:
            inference_id = uuid7(self._clock.wall_ns() // 1_000_000, secrets.token_bytes(10))
        check_names(model_id, inference_id, tenant_id)
        nowhere = Entry(Stamp(self._clock.boottime_ns(), self._clock.wall_ns()), None, {})
        return Running(model_id, inference_id, nowhere)

    def stop(self, running: Running, counts: Counts = UNCOUNTED) -> Measurement:
        """Raise UnmeasuredError."""
        del running, counts
        raise UnmeasuredError(self.reason)

    def discard(self, running: Running) -> None:
        """Do nothing."""

    def close(self, *, send_within_s: float = 0.0) -> bool:
        """Return True: there is nothing to keep."""
        del send_within_s
        return True


@dataclass(frozen=True, slots=True)
class Work:
    """What work is to be called, and inside which it runs."""

    model_id: str
    inference_id: str | None = None
    parent: Running | None = None
    tenant_id: str | None = None


def begin(session: Measurer, work: Work, clock: Clock, *, strict: bool = False) -> tuple[Measurer, Running]:
    """Start work in ``session``, or, where that has trouble, in a NotMeasured; return which it is, and what runs.

    Raises SettingsError for names that cannot be; with ``strict`` whatever the trouble is.
    """
    given = (work.model_id, work.inference_id, work.parent, work.tenant_id)
    try:
        return session, session.start(*given)
    except SettingsError:
        raise
    except Exception as error:
        if strict:
            raise
        reason = why(error)
        _log.warning("work is not measured", extra={"reason": reason})
        instead = NotMeasured(reason, clock)
        return instead, instead.start(work.model_id, work.inference_id, None, work.tenant_id)


def why(error: Exception) -> str:
    """Return what kept work from being measured, in words."""
    if isinstance(error, MeasurementError):
        return error.detail
    if isinstance(error, GreenError):
        return f"{error.title}: {error.detail}"
    return f"{type(error).__name__}: {error}"


def _locked(descriptor: int, tries: int) -> bool:
    for left in range(tries, 0, -1):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if left > 1:
                time.sleep(_PAUSE_S)
        else:
            return True
    return False


def _read(descriptor: int) -> Unmeasured:
    text = os.pread(descriptor, _BYTES * 8, 0).strip(b" \0")
    try:
        count, last_us, reason = json.loads(text or b'[0, 0, ""]')
        return Unmeasured(max(int(count), 0), int(last_us), printable(reason))
    except (ValueError, TypeError, OverflowError, RecursionError):
        # Damaged: something was not measured, and how much is not known any more.
        return Unmeasured(1, 0, "the count is damaged")


def _put(descriptor: int, state: Unmeasured) -> None:
    # Written over in place: it needs no room on a full disk. A reason is cut until it fits.
    reason = state.reason
    while len(text := json.dumps([state.count, state.last_us, reason], ensure_ascii=False).encode()) > _BYTES:
        reason = reason[:-16]
    os.pwrite(descriptor, text.ljust(_BYTES), 0)
