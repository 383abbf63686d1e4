"""The window spool: windows on disk, from before they are signed until the issuer has answered for them.

    windows/
      pending/    one file a window, named by its sequence number
      rejected/   what the issuer refused for good or what could not be signed, each with a problem document
      head        where the chain stands after the last window that left ``pending/``
      gap         the newest windows that found no room (written over in place, so it needs no room itself)
      sending     locked by the one process that sends
      start       how often an agent with a software key has started here: its epoch
      open        since when a daemon measures; there after its end only if it was killed

A file is append-only: sections, each with its length and SHA-256. ``put`` writes place, header and records, fsynced
before the TPM is asked; ``add_evidence`` appends what was signed, fsynced: only then may the window be sent. A torn
tail (killed while appending) is cut off, and the window is signed again. A window leaves ``pending/`` only when it is
acknowledged, refused, or cannot be signed any more; the head is on disk before it does, so no number is given twice.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from agent.clock import Clock
from agent.errors import DaemonRunsError, SpoolBusyError, SpoolError
from agent.files import held, make_folder, write_file
from agent.spool import MAX_BYTES, Spool
from agent.windows.close import Closed, Head
from agent.windows.spooled import Place, SpooledWindow, file_of, section, window_in
from agent.windows.telemetry import TelemetryWindow

_SUFFIX: Final = ".window.json"
_GAP_BYTES: Final = 512


class Gap(Struct, frozen=True, kw_only=True):
    """Windows that were measured and not kept: how many in a row, their time and energy, and what follows them.

    ``energy_mj`` is None where nobody knows: the daemon was killed, and its open window with it.

    They never had a sequence number: the next window has ``next_sequence``, begins later than the one before it
    ended, and the accelerators' counters say what is missing in between.
    """

    windows: int
    next_sequence: int
    from_us: int
    to_us: int
    energy_mj: int | None
    reason: str


class WindowSpool:
    """A window spool in a folder, made if it is missing (mode 0700). One process writes; one, or the same, sends."""

    def __init__(self, folder: Path, clock: Clock, *, max_bytes: int = MAX_BYTES) -> None:
        """Open the spool in ``folder``, of at most ``max_bytes``. Raises SpoolError."""
        self.folder = folder
        self.lost = 0
        """Windows that were noted as gaps by this object."""
        self._spool = Spool(folder, clock, max_bytes=max_bytes)
        try:
            self._gap = os.open(folder / "gap", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if os.fstat(self._gap).st_size < _GAP_BYTES:
                os.pwrite(self._gap, b" " * _GAP_BYTES, 0)
        except OSError as error:
            raise SpoolError(f"the window spool {folder} cannot be opened: {error.strerror}") from error

    def close(self) -> None:
        """Give back the file descriptors."""
        os.close(self._gap)
        self._spool.close()

    def put(self, closed: Closed, place: Place) -> str:
        """Keep an unsigned window and return its name. When this returns, it is on disk.

        Raises SpoolFullError where there is no room, in the bound or on the disk.
        """
        name = _name(closed.sequence, closed.digest)
        self._spool.keep(name, file_of(closed, place))
        return name

    def add_evidence(self, name: str, evidence: bytes) -> None:
        """Append what was signed. When this returns, the window may be sent. Raises SpoolError."""
        path = self._spool.pending_folder / name
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                whole = os.fstat(descriptor).st_size
                view = memoryview(section("evidence", evidence))
                try:
                    while view:
                        view = view[os.write(descriptor, view) :]
                    os.fsync(descriptor)
                except OSError:
                    os.ftruncate(descriptor, whole)
                    raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise SpoolError(f"{path} cannot be written: {error.strerror}; the window is signed again later") from error

    def pending(self) -> list[str]:
        """Return the names of what is not acknowledged, by sequence number."""
        return self._spool.pending()

    def rejected(self) -> list[str]:
        """Return the names of what was refused for good, or cannot be signed any more."""
        return self._spool.rejected()

    def problem(self, name: str) -> bytes | None:
        """Return the problem document of a rejected window."""
        return self._spool.problem(name)

    def load(self, name: str) -> SpooledWindow | None:
        """Return a window, None where it is gone. A torn tail is cut off. Raises SpoolError where it is damaged."""
        raw = self._spool.load(name)
        if raw is None:
            return None
        window, whole = window_in(name, raw)
        if whole < len(raw):
            try:
                os.truncate(self._spool.pending_folder / name, whole)
            except OSError as error:
                raise SpoolError(f"{name} in the window spool cannot be mended: {error.strerror}") from error
        return window

    def peek(self, name: str) -> SpooledWindow | None:
        """Return a window as ``load``, and leave the file as it is: another process may be appending to it."""
        raw = self._spool.load(name)
        return None if raw is None else window_in(name, raw)[0]

    def acknowledge(self, window: SpooledWindow) -> None:
        """Forget a window that the issuer has answered for. Raises OSError."""
        self._leave(window)
        self._spool.acknowledge(window.name)

    def reject(self, window: SpooledWindow, problem: bytes) -> None:
        """Move a window to ``rejected/`` with a problem document beside it. Raises OSError."""
        self._leave(window)
        self._spool.reject(window.name, problem)

    def set_aside(self, name: str, problem: bytes) -> None:
        """Move what was never signed, or is damaged, to ``rejected/``; the chain goes on without it. Raises OSError."""
        self._spool.reject(name, problem)

    def peek_rejected(self, name: str) -> SpooledWindow:
        """Return a rejected window. Raises SpoolError where it is gone or damaged."""
        try:
            raw = (self._spool.rejected_folder / name).read_bytes()
        except OSError as error:
            raise SpoolError(f"{name} in the window spool cannot be read: {error.strerror}") from error
        return window_in(name, raw)[0]

    def retry_rejected(self, names: Sequence[str] | None = None) -> int:
        """Put rejected windows back in the queue and return how many; which of them can be, agent.windows.resend says."""
        return self._spool.retry_rejected(names)

    def discard_rejected(self) -> int:
        """Delete every rejected window, for good, and return how many."""
        return self._spool.discard_rejected()

    def sending(self) -> AbstractContextManager[None]:
        """Hold the right to send in a block. Raises SpoolBusyError."""
        return self._spool.sending()

    def head(self) -> Head | None:
        """Return where the chain stands after the last window that left the queue, None before any did.

        Raises SpoolError where the file is damaged: a chain is not begun anew by mistake.
        """
        path = self.folder / "head"
        try:
            return msgspec.json.decode(path.read_bytes(), type=Head)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise SpoolError(f"{path} cannot be read: {error}; enrol again to begin where the issuer stands") from error

    def write_head(self, head: Head) -> None:
        """Say where the chain goes on; what enrolment calls. Raises OSError."""
        write_file(self.folder / "head", msgspec.json.encode(head) + b"\n")

    def next_start(self) -> int:
        """Return how often an agent has started here, this time included. Raises OSError, SpoolError."""
        path = self.folder / "start"
        try:
            before = int(path.read_text(encoding="ascii"))
        except FileNotFoundError:
            before = 0
        except ValueError as error:
            raise SpoolError(f"{path} is damaged; write the number of the last epoch into it") from error
        write_file(path, str(before + 1).encode())
        return before + 1

    def note_gap(self, window: TelemetryWindow, next_sequence: int, reason: str) -> Gap:
        """Note a window that was not kept, with those just before it, and return the gap."""
        return self._note(
            Gap(
                windows=1,
                next_sequence=next_sequence,
                from_us=window.start_us,
                to_us=window.end_us,
                energy_mj=window.energy_mj,
                reason=reason[:120],
            )
        )

    def note_open(self, wall_us: int) -> None:
        """Say that a daemon measures from ``wall_us`` on, and that windows are open which are not on disk. Raises OSError."""
        write_file(self.folder / "open", str(wall_us).encode())

    def open_since(self, end_us: int) -> int | None:
        """Return since when (µs) windows are open that are not on disk; None where the last daemon ended in order.

        ``end_us`` is the end of the last window that is on disk.
        """
        try:
            return max(int((self.folder / "open").read_text(encoding="ascii")), end_us)
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return end_us

    def note_closed(self) -> None:
        """Say that it has ended, and that all its windows are on disk or noted as a gap. Raises OSError."""
        (self.folder / "open").unlink(missing_ok=True)

    def note_killed(self, next_sequence: int, end_us: int, now_us: int) -> Gap | None:
        """Note what the last daemon measured after ``end_us``, its last window's end, if it was killed; return that gap."""
        from_us = self.open_since(end_us)
        if from_us is None:
            return None
        gap = self._note(
            Gap(
                windows=1,
                next_sequence=next_sequence,
                from_us=from_us,
                to_us=max(from_us, now_us),
                energy_mj=None,
                reason="the daemon was killed with a window open",
            )
        )
        with contextlib.suppress(OSError):
            self.note_closed()
        return gap

    def _note(self, gap: Gap) -> Gap:
        self.lost += 1
        before = self.gap()
        if before is not None and before.next_sequence == gap.next_sequence:
            known = before.energy_mj is not None and gap.energy_mj is not None
            gap = msgspec.structs.replace(
                gap,
                windows=before.windows + 1,
                from_us=before.from_us,
                energy_mj=(before.energy_mj or 0) + (gap.energy_mj or 0) if known else None,
            )
        with contextlib.suppress(OSError):  # a disk that refuses even this must not hide why we are here
            os.pwrite(self._gap, msgspec.json.encode(gap).ljust(_GAP_BYTES), 0)
        return gap

    def gap(self) -> Gap | None:
        """Return the newest gap, None where there was none."""
        try:
            text = os.pread(self._gap, _GAP_BYTES, 0).strip(b" \0")
            return msgspec.json.decode(text, type=Gap) if text else None
        except (OSError, msgspec.MsgspecError):
            return None

    def forget_gap(self) -> Gap | None:
        """Return the newest gap for the last time. Raises SpoolError."""
        gap = self.gap()
        try:
            os.pwrite(self._gap, b" " * _GAP_BYTES, 0)
        except OSError as error:
            raise SpoolError(f"{self.folder / 'gap'} cannot be written: {error.strerror}") from error
        return gap

    def _leave(self, window: SpooledWindow) -> None:
        head, before = window.head(), self.head()
        if before is None or before.node_id != head.node_id or before.next_sequence < head.next_sequence:
            self.write_head(head)


@contextlib.contextmanager
def measuring(folder: Path) -> Iterator[None]:
    """Hold the right to make windows in a folder. Raises DaemonRunsError where another daemon has it, OSError."""
    make_folder(folder)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(held(folder / "daemon.lock", "another daemon"))
        except SpoolBusyError as error:
            raise DaemonRunsError(
                f"its windows are in {folder}. Nothing is to be done, or stop it before you start another; green-agent "
                "status shows it"
            ) from error
        yield


def damaged(reason: str) -> bytes:
    """Return a problem document (JSON) of our own for a window that is set aside."""
    return msgspec.json.encode({"type": "about:blank", "title": "The window was set aside", "detail": reason})


def _name(sequence: int, digest: bytes) -> str:
    return f"{sequence:016d}-{digest[:8].hex()}{_SUFFIX}"
