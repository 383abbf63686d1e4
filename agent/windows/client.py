"""Work measured by the daemon, as a process that runs it sees it. The work never waits for it: milliseconds, once.

A start is sent and, at most, its answer waited for that long; a stop likewise (agent.windows.link). What runs while the
daemon is late is told to it, so it is counted. Where the connection ends, the daemon ends what was running on it:
nothing is counted twice. For some seconds after that, no new connection is tried.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from agent.clock import Clock
from agent.errors import DaemonError, FigureLateError, MeasurementError, SettingsError, WorkNotTakenError
from agent.identifiers import uuid7
from agent.ledger import Entry
from agent.measurement import UNCOUNTED, Counts, Measurement, Stamp
from agent.meters.protocol import METHODS
from agent.session import Running
from agent.span import Flag
from agent.windows.link import Link
from agent.windows.protocol import Request, Result, WorkerStatus, line, read_reply
from agent.windows.work import check_names
from schemas.errors import ParsingError

RETRY_AFTER_S: Final = 5.0
_CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Told:
    """Work that the daemon was told of: on which connection, and by which request."""

    link: Link
    number: int


class DaemonSession:
    """Measures work by the daemon at a socket. Any thread may call it; it stands in for agent.session.Session."""

    has_room_for_counts = True

    def __init__(self, path: Path, clock: Clock, *, wait_s: float = 0.05) -> None:
        """Connect. Raises DaemonError where no daemon answers within ``wait_s``."""
        self._path = path
        self._clock = clock
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._not_before_s = 0.0
        self._told: dict[int, _Told] = {}
        self._ids: set[str] = set()
        self._link: Link | None = Link(path, wait_s)
        _, reply = self._link.ask(Request(v=1, op="status"))
        if reply is None or reply.status is None or not reply.status.measuring:
            self._link.close()
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
            if inference_id in self._ids:
                raise SettingsError(f"inference_id: {inference_id} runs already; each piece of work has its own")
            link = self._connected()
            if link is None:
                return running
            self._ids.add(inference_id)
        request = Request(
            v=1,
            op="start",
            at_ns=self._clock.boottime_ns(),
            model_id=model_id,
            inference_id=inference_id,
            tenant_id=tenant_id,
            parent=parent.inference_id if parent is not None else None,
        )
        number, reply = link.ask(request)
        if reply is not None and not reply.ok:
            self._ids.discard(inference_id)
            refused = SettingsError if reply.problem == SettingsError.name else WorkNotTakenError
            raise refused(reply.detail or "the daemon refused the work")
        self._told[id(running)] = _Told(link, number)
        return running

    def stop(self, running: Running, counts: Counts = UNCOUNTED) -> Measurement:
        """Return what was measured; it is in the daemon's window.

        Raises MeasurementError where the daemon is gone, was gone meanwhile, or gives no figure.
        """
        at_ns = self._clock.boottime_ns()
        told = self._told.pop(id(running), None)
        if told is None:
            raise MeasurementError(f"the daemon was away when {running.inference_id} began: nothing was measured")
        try:
            if refusal := told.link.refusal(told.number):
                raise MeasurementError(f"the daemon refused {running.inference_id}: {refusal}")
            if told.link.is_gone:
                raise MeasurementError(f"the daemon went away while {running.inference_id} ran: its record is lost")
            request = Request(
                v=1,
                op="stop",
                at_ns=at_ns,
                id=running.inference_id,
                input_tokens=counts.input_tokens,
                output_tokens=counts.output_tokens,
                requests=counts.requests,
            )
            _, reply = told.link.ask(request)
        finally:
            self._ids.discard(running.inference_id)
        if reply is None:
            # It gets the message when it wakes, or sees the connection end: once either way.
            detail = "it is told of the work and counts it, unless it ends; there is no figure here"
            raise FigureLateError(f"the daemon did not answer in time for {running.inference_id}: {detail}")
        if reply.result is None:
            raise MeasurementError(reply.detail or "the daemon gave no figure")
        running.names = [*reply.result.records]
        return _measurement(reply.result)

    def knows(self, running: Running) -> bool:
        """Return whether the daemon was told that work runs, and has not gone away since."""
        told = self._told.get(id(running))
        return told is not None and not told.link.is_gone

    def discard(self, running: Running) -> None:
        """Forget work: nothing ran."""
        told = self._told.pop(id(running), None)
        if told is not None and told.link.refusal(told.number) is None:
            told.link.ask(Request(v=1, op="discard", id=running.inference_id))
        self._ids.discard(running.inference_id)

    def new_id(self) -> str:
        """Return a new inference id: a UUID version 7."""
        return uuid7(self._clock.wall_ns() // 1_000_000, secrets.token_bytes(10))

    def close(self, *, send_within_s: float = 0.0) -> bool:
        """End the connection, and with it what runs. Return True: what was measured is the daemon's to keep."""
        del send_within_s
        with self._lock:
            if self._link is not None:
                self._link.close()
            self._not_before_s = time.monotonic() + RETRY_AFTER_S
        return True

    def forget(self) -> None:
        """Close this process's copy of the connection, after a fork: it is the parent's."""
        self._lock = threading.Lock()
        if self._link is not None:
            self._link.forget()
        self._not_before_s = time.monotonic() + RETRY_AFTER_S

    def _connected(self) -> Link | None:
        """Return the connection, perhaps a new one; None while none is tried."""
        if self._link is not None:
            if not self._link.is_gone:
                return self._link
            self._link, self._not_before_s = None, max(self._not_before_s, time.monotonic() + RETRY_AFTER_S)
        if time.monotonic() < self._not_before_s:
            return None
        self._not_before_s = time.monotonic() + RETRY_AFTER_S
        with contextlib.suppress(DaemonError):
            self._link = Link(self._path, self._wait_s)
        return self._link


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
