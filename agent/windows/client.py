"""Work measured by the daemon, as a process that runs it sees it. The work never waits for it: milliseconds, once.

A start is sent and, at most, its answer waited for that long; a stop likewise. A daemon that did not answer in time
is late: what runs is still told to it, so it is counted, but its answers are not waited for until it has caught up.
Where it stays late for a second, or is gone, the connection ends and with it, at the daemon, what was running on it:
nothing is counted twice. For some seconds after that, no new connection is tried.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections import deque
from pathlib import Path
from typing import Final, cast

from agent.clock import Clock
from agent.errors import DaemonError, MeasurementError, SettingsError
from agent.identifiers import uuid7
from agent.ledger import Entry
from agent.measurement import UNCOUNTED, Counts, Measurement, Stamp
from agent.meters.protocol import METHODS
from agent.session import Running
from agent.span import Flag
from agent.windows.ledger_window import check_names
from agent.windows.protocol import Reply, Request, Result, WorkerStatus, line, read_reply
from schemas.errors import ParsingError

RETRY_AFTER_S: Final = 5.0
LATE_FOR_S: Final = 1.0
"""How long answers may be owed: the daemon takes the time of a message when it reads it, and must not be wrong by more."""
_CHUNK: Final = 64 * 1024

_log = logging.getLogger(__name__)


class DaemonSession:
    """Measures work by the daemon at a socket. Any thread may call it; it stands in for agent.session.Session."""

    has_room_for_counts = True

    def __init__(self, path: Path, clock: Clock, *, wait_s: float = 0.05) -> None:
        """Connect. Raises DaemonError where no daemon answers within ``wait_s``."""
        self._path = path
        self._clock = clock
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._received = bytearray()
        self._number = 0
        self._owed: deque[tuple[int, float]] = deque()
        self._generation = 0
        self._not_before_s = 0.0
        self._born: dict[int, tuple[int, int | None]] = {}
        with self._lock:
            self._connect()
            reply = self._ask(Request(v=1, op="status", n=self._next()))
            if reply is None or reply.status is None or not reply.status.measuring:
                self._drop()
                raise DaemonError(f"the daemon at {path} does not measure (yet)")
            self.simulated = reply.status.simulated

    def start(
        self,
        model_id: str,
        inference_id: str | None = None,
        parent: Running | None = None,
        tenant_id: str | None = None,
    ) -> Running:
        """Return work that runs from now. Raises SettingsError for names that cannot be, or that run already.

        Where the daemon is gone there is no error: the loss is told when the work stops.
        """
        inference_id = self.new_id() if inference_id is None else inference_id
        check_names(model_id, inference_id, tenant_id)
        running = Running(model_id, inference_id, _nowhere(self._clock))
        with self._lock:
            if self._socket is None and time.monotonic() >= self._not_before_s:
                with contextlib.suppress(DaemonError):
                    self._connect()
            if self._socket is None:
                return running
            request = Request(
                v=1,
                op="start",
                n=self._next(),
                model_id=model_id,
                inference_id=inference_id,
                tenant_id=tenant_id,
                parent=parent.inference_id if parent is not None else None,
            )
            self._born[id(running)] = (self._generation, request.n)
            reply = self._ask(request)
        if reply is not None and not reply.ok:
            self._born.pop(id(running), None)
            raise SettingsError(reply.detail or "the daemon refused the work")
        return running

    def stop(self, running: Running, counts: Counts = UNCOUNTED) -> Measurement:
        """Return what was measured; it is in the daemon's window.

        Raises MeasurementError where the daemon is gone, was gone meanwhile, or gives no figure.
        """
        with self._lock:
            generation, _ = self._born.pop(id(running), (-1, None))
            if generation == self._generation:
                self._catch_up()
            if self._socket is None or generation != self._generation:
                raise MeasurementError(f"the daemon went away while {running.inference_id} ran: its record is lost")
            request = Request(
                v=1,
                op="stop",
                n=self._next(),
                id=running.inference_id,
                input_tokens=counts.input_tokens,
                output_tokens=counts.output_tokens,
                requests=counts.requests,
            )
            reply = self._ask(request)
        if reply is None:
            # It gets the message when it wakes, or sees the connection end: once either way.
            detail = "it is told of the work and counts it, unless it ends; there is no figure here"
            raise MeasurementError(f"the daemon did not answer in time for {running.inference_id}: {detail}")
        if reply.result is None:
            raise MeasurementError(reply.detail or "the daemon gave no figure")
        running.names = [*reply.result.records]
        return _measurement(reply.result)

    def discard(self, running: Running) -> None:
        """Forget work: nothing ran."""
        with self._lock:
            generation, _ = self._born.pop(id(running), (-1, None))
            if self._socket is not None and generation == self._generation:
                self._ask(Request(v=1, op="discard", n=self._next(), id=running.inference_id))

    def new_id(self) -> str:
        """Return a new inference id: a UUID version 7."""
        return uuid7(self._clock.wall_ns() // 1_000_000, secrets.token_bytes(10))

    def close(self, *, send_within_s: float = 0.0) -> bool:
        """End the connection, and with it what runs. Return True: what was measured is the daemon's to keep."""
        del send_within_s
        with self._lock:
            self._drop()
        return True

    def forget(self) -> None:
        """Close this process's copy of the connection, after a fork: it is the parent's."""
        self._lock = threading.Lock()
        self._drop()

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _connect(self) -> None:
        self._not_before_s = time.monotonic() + RETRY_AFTER_S
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        peer.settimeout(self._wait_s)
        try:
            peer.connect(os.fspath(self._path))
        except OSError as error:
            peer.close()
            raise DaemonError(f"no daemon at {self._path}: {error.strerror or error}") from error
        self._socket, self._received = peer, bytearray()
        self._generation += 1

    def _ask(self, request: Request) -> Reply | None:
        """Return the answer, None where there is none in time; where the connection broke it is dropped."""
        self._catch_up()
        if self._socket is None:
            return None
        waits = not self._owed
        try:
            self._socket.settimeout(self._wait_s if waits else 0.0)
            self._socket.sendall(line(request))
        except OSError as error:
            # Perhaps half a line was sent, and no other can follow that.
            self._gone(error)
            return None
        self._owed.append((request.n or 0, time.monotonic()))
        return self._answer(request.n or 0, self._wait_s) if waits else None

    def _catch_up(self) -> None:
        """Take the answers that are owed, without waiting; drop a connection that owes one for too long."""
        if self._owed:
            self._answer(self._owed[-1][0], 0.0)
        if self._owed and time.monotonic() - self._owed[0][1] > LATE_FOR_S:
            self._gone(TimeoutError(f"no answer for more than {LATE_FOR_S} s"))

    def _answer(self, number: int, wait_s: float) -> Reply | None:
        """Return the answer to a request, those before it left out; None where it does not come in time."""
        until_s = time.monotonic() + wait_s
        try:
            while self._socket is not None:
                reply = self._buffered()
                if reply is not None:
                    while self._owed and self._owed[0][0] <= (reply.n or 0):
                        self._owed.popleft()
                    if reply.n == number:
                        return reply
                    continue
                # 0 asks without waiting.
                self._socket.settimeout(max(until_s - time.monotonic(), 0.0))
                chunk = self._socket.recv(_CHUNK)
                if not chunk:
                    raise ConnectionResetError("the daemon closed the connection")
                self._received += chunk
        except (TimeoutError, BlockingIOError):
            return None
        except (OSError, ParsingError) as error:
            self._gone(error)
        return None

    def _gone(self, error: Exception) -> None:
        _log.warning("the daemon is gone; work is not measured until it is back", extra={"reason": str(error)})
        self._drop()

    def _buffered(self) -> Reply | None:
        cut = self._received.find(b"\n")
        if cut < 0:
            return None
        text = bytes(self._received[:cut])
        del self._received[: cut + 1]
        return read_reply(text)

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._owed.clear()
            self._not_before_s = time.monotonic() + RETRY_AFTER_S


def ask_status(path: Path, *, wait_s: float) -> WorkerStatus:
    """Return what the daemon at ``path`` says of itself. Raises DaemonError where none answers in time."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as peer:
        peer.settimeout(wait_s)
        received = b""
        try:
            peer.connect(os.fspath(path))
            peer.sendall(line(Request(v=1, op="status")))
            while b"\n" not in received and (chunk := peer.recv(_CHUNK)):
                received += chunk
            reply = read_reply(received.partition(b"\n")[0])
        except (OSError, ParsingError) as error:
            raise DaemonError(f"no daemon answers at {path}: {error}") from error
    if reply.status is None:
        raise DaemonError(f"what answers at {path} is no daemon of ours")
    return reply.status


def _nowhere(clock: Clock) -> Entry:
    """Return an entry of no ledger: the daemon keeps the account."""
    return Entry(Stamp(clock.boottime_ns(), clock.wall_ns()), None, {})


def _measurement(result: Result) -> Measurement:
    end_ns = result.end_us * 1000
    return Measurement(
        measured_mj=result.energy_mj - result.estimated_mj,
        estimated_mj=result.estimated_mj,
        start_wall_ns=end_ns - result.duration_us * 1000,
        end_wall_ns=end_ns,
        duration_us=result.duration_us,
        method=result.method if result.method in METHODS else "modelled",
        simulated=result.simulated,
        devices=tuple(result.devices),
        flags=frozenset(cast("list[Flag]", result.flags)),
    )
