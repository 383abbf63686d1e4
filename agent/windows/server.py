"""The daemon's socket: workloads say what they run. One thread, and no workload can hold up another.

The socket belongs to the agent's user alone (0600), or to a group besides (0660). Connections, lines and answers that
nobody reads are bounded. Each connection has one request answered a turn, however many it has sent, and connections
and running work are places that leave room for others (agent.windows.places).
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.errors import AgentError, SettingsError, WorkNotTakenError
from agent.measurement import Counts
from agent.windows.engine_desk import MAX_OPEN, EngineDesk, Seat
from agent.windows.engine_protocol import MAX_ENGINE_LINE_BYTES
from agent.windows.ledger_window import MAX_RUNNING, WindowLedger
from agent.windows.places import USER_SHARE, Holder, Peer, Places, peer_of
from agent.windows.protocol import (
    MAX_LINE_BYTES,
    Reply,
    Request,
    Result,
    WorkerStatus,
    line,
    read_request,
)
from agent.windows.server_address import listen
from agent.windows.work import Work
from schemas.errors import GreenError, ParsingError

MAX_CONNECTIONS: Final = 256
_MAX_UNREAD_BYTES: Final = 256 * 1024
_CHUNK: Final = 64 * 1024
_SHOWN_RECORDS: Final = 8
_NS_PER_S: Final = 1_000_000_000

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Connection:
    peer: socket.socket
    who: Peer
    received: bytearray = field(default_factory=bytearray)
    unsent: bytearray = field(default_factory=bytearray)
    works: dict[str, Work] = field(default_factory=dict)
    ending: bool = False
    events: int = selectors.EVENT_READ
    told: bool = False
    holders: tuple[Holder, ...] = ()
    seat: Seat | None = None

    @property
    def longest_line(self) -> int:
        """Bytes that a line may have: an engine's tells of many requests at once."""
        return MAX_LINE_BYTES if self.seat is None else MAX_ENGINE_LINE_BYTES

    def has_line(self) -> bool:
        """Return whether there is something to answer: a whole line, or more than one may have."""
        return not self.ending and (b"\n" in self.received or len(self.received) > self.longest_line)


class WorkServer:
    """Listens, and tells a ledger what runs. ``run`` in one thread; ``stop`` from any."""

    def __init__(
        self,
        path: Path,
        ledger: WindowLedger,
        clock: Clock,
        *,
        new_id: Callable[[], str],
        status: Callable[[], WorkerStatus],
        group: str = "",
        max_connections: int = MAX_CONNECTIONS,
        max_running: int = MAX_RUNNING,
        max_open: int = MAX_OPEN,
    ) -> None:
        """Listen at ``path``; what lies there from a daemon that was killed is removed. Raises SettingsError."""
        self._path = path
        self._ledger = ledger
        self._clock = clock
        self._new_id = new_id
        self._status = status
        self._places = Places(max_connections)
        # Half of the places is enough for a few of each connection.
        self._work_places = Places(max_running, guaranteed=max_running // 2 // max_connections, most=max_connections)
        self._desk = EngineDesk(ledger, new_id, most=max_connections, max_open=max_open)
        self._connections: set[_Connection] = set()
        self._ready: set[_Connection] = set()
        self._abandoned: deque[tuple[Work, tuple[Holder, ...]]] = deque()
        self._quiet_until_ns = 0
        self._stopping = False
        self._listener = listen(path, group)
        self._identity = path.stat().st_ino
        self._woken, self._waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve until ``stop``; then end all connections and what was started on them."""
        while not self._stopping:
            # Whoever is not done has its next turn when all others that have come meanwhile had theirs.
            for key, events in self._selector.select(0 if self._ready or self._abandoned else None):
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.data, _Connection):
                    self._guarded(key.data, lambda one, ready=events: self._exchange(one, ready))  # type: ignore[misc]
            for connection in list(self._ready):
                self._guarded(connection, self._answer_one)
            self._end_abandoned()
        for connection in list(self._connections):
            self._end(connection)
        while self._abandoned:
            self._end_abandoned()
        self._selector.close()
        self._listener.close()
        with contextlib.suppress(OSError):
            # Another daemon may have come after us.
            if self._path.stat().st_ino == self._identity:
                self._path.unlink()
        os.close(self._woken)
        os.close(self._waker)

    def stop(self) -> None:
        """Let ``run`` return."""
        self._stopping = True
        with contextlib.suppress(OSError):
            os.write(self._waker, b"!")

    def _accept(self) -> None:
        try:
            peer, _ = self._listener.accept()
        except OSError:
            return
        try:
            who = peer_of(peer)
        except OSError:
            peer.close()
            return
        # All processes of containers may share the number 0.
        process = (Holder("process", who.pid),) if who.pid else ()
        holders = (*process, Holder("user", who.uid, USER_SHARE))
        if reason := self._places.refuses(holders):
            peer.close()
            self._tell_of_refusal(who, reason)
            return
        self._places.take(holders)
        peer.setblocking(False)  # noqa: FBT003 - the socket's own signature
        connection = _Connection(peer, who, holders=holders)
        self._connections.add(connection)
        self._selector.register(peer, selectors.EVENT_READ, connection)

    def _tell_of_refusal(self, who: Peer, reason: str) -> None:
        """Log it, at most once a second: who knocks without end must not fill the log."""
        now_ns = self._clock.boottime_ns()
        if now_ns >= self._quiet_until_ns:
            self._quiet_until_ns = now_ns + _NS_PER_S
            told = {"reason": reason, "peer_uid": who.uid, "peer_pid": who.pid}
            _log.warning("a workload was turned away: too many connections", extra=told)

    def _guarded(self, connection: _Connection, step: Callable[[_Connection], None]) -> None:
        try:
            step(connection)
        except OSError:
            self._end(connection)
        except Exception:  # noqa: BLE001 - see below
            # One workload's trouble is not the others'.
            _log.exception("a workload's request failed")
            self._end(connection)

    def _exchange(self, connection: _Connection, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._send(connection)
        if events & selectors.EVENT_READ and connection in self._connections:
            chunk = connection.peer.recv(_CHUNK)
            if not chunk:
                self._end(connection)
                return
            connection.received += chunk
            self._listen_to(connection)

    def _answer_one(self, connection: _Connection) -> None:
        """Answer the first line that waits, and send what can be sent."""
        cut = connection.received.find(b"\n")
        text = bytes(connection.received[: max(cut, 0)])
        del connection.received[: cut + 1]
        if cut < 0 or len(text) > connection.longest_line:
            self._refuse(connection, ParsingError(f"a line has at most {connection.longest_line} bytes"))
        else:
            try:
                if connection.seat is None:
                    connection.unsent += line(self._answer(connection, read_request(text)))
                elif reply := self._desk.answer(connection.seat, text):
                    connection.unsent += line(reply)
            except ParsingError as error:
                self._refuse(connection, error)
        if len(connection.unsent) > _MAX_UNREAD_BYTES:
            raise ConnectionError("the workload does not read its answers")
        self._send(connection)

    def _refuse(self, connection: _Connection, error: GreenError) -> None:
        connection.unsent += line(Reply(ok=False, problem=error.name, detail=error.detail))
        connection.ending = True
        self._tell(connection, "a workload sent what cannot be read; its connection ends", error.detail)

    def _tell(self, connection: _Connection, what: str, reason: str) -> None:
        """Log the first refusal of a connection, and whose it is."""
        if not connection.told:
            connection.told = True
            told = {"reason": reason, "peer_uid": connection.who.uid, "peer_pid": connection.who.pid}
            _log.warning(what, extra=told)

    def _answer(self, connection: _Connection, request: Request) -> Reply:
        try:
            if request.op == "start":
                return self._start(connection, request)
            if request.op == "status":
                return Reply(n=request.n, ok=True, status=self._status())
            if request.op == "engine":
                if connection.works:
                    raise SettingsError("engine: work runs on this connection; an engine takes one of its own")
                connection.seat = self._desk.sit(connection, connection.who.uid)
                return Reply(n=request.n, ok=True)
            work = connection.works.pop(request.id or "", None)
            if work is None:
                raise SettingsError(f"{request.op}: id {request.id!a} was not started on this connection")
            self._work_places.give(_holders(connection))
            if request.op == "discard":
                self._ledger.discard(work)
                return Reply(n=request.n, ok=True, id=work.inference_id)
            if work.is_told_too_late(request.at_ns, self._clock.boottime_ns()):
                self._ledger.discard(work)
                _log.warning("work was told too late to be measured", extra={"inference_id": work.inference_id})
                work.problem = "its start or end was read too late to tell what it used; that is unattributed"
                return self._outcome(work, request.n)
            requests = 1 if request.requests is None else request.requests
            self._ledger.stop(work, Counts(request.input_tokens, request.output_tokens, requests))
            return self._outcome(work, request.n)
        except AgentError as error:
            return Reply(n=request.n, ok=False, id=request.id, problem=error.name, detail=error.detail)

    def _start(self, connection: _Connection, request: Request) -> Reply:
        if request.model_id is None:
            raise SettingsError("start: model_id is missing")
        if reason := self._work_places.refuses(_holders(connection)):
            self._tell(connection, "a workload's start was refused: it runs too much at once", reason)
            raise WorkNotTakenError(f"pieces of work that run at once: {reason}; end some before more are started")
        inference_id = request.inference_id or self._new_id()
        parent = connection.works.get(request.parent or "")
        work = self._ledger.start(request.model_id, inference_id, request.tenant_id, parent)
        work.told_boottime_ns = request.at_ns
        self._work_places.take(_holders(connection))
        connection.works[inference_id] = work
        return Reply(n=request.n, ok=True, id=inference_id)

    def _outcome(self, work: Work, number: int | None) -> Reply:
        if not work.records:
            detail = work.problem or "nothing was measured"
            return Reply(n=number, ok=True, id=work.inference_id, problem="MEASUREMENT_IMPOSSIBLE", detail=detail)
        result = Result(
            energy_mj=work.energy_mj,
            estimated_mj=work.estimated_mj,
            duration_us=(self._clock.boottime_ns() - work.begun_boottime_ns) // 1000,
            end_us=self._clock.wall_ns() // 1000,
            method="modelled" if self._ledger.simulated else work.method,
            simulated=self._ledger.simulated,
            devices=sorted(work.devices),
            flags=sorted(work.flags),
            records=work.records[-_SHOWN_RECORDS:],
        )
        return Reply(n=number, ok=True, id=work.inference_id, result=result)

    def _send(self, connection: _Connection) -> None:
        if connection.unsent:
            with contextlib.suppress(BlockingIOError):
                sent = connection.peer.send(connection.unsent)
                del connection.unsent[:sent]
        if connection.ending and not connection.unsent:
            self._end(connection)
            return
        self._listen_to(connection)

    def _listen_to(self, connection: _Connection) -> None:
        """Wait for what comes next: no more is read from who has a line waiting."""
        reading = selectors.EVENT_READ
        if connection.has_line():
            self._ready.add(connection)
        else:
            self._ready.discard(connection)
        if connection.ending or connection in self._ready:
            reading = 0
        wanted = reading | (selectors.EVENT_WRITE if connection.unsent else 0)
        if wanted == connection.events:
            return
        if not connection.events:
            self._selector.register(connection.peer, wanted, connection)
        elif wanted:
            self._selector.modify(connection.peer, wanted, connection)
        else:
            self._selector.unregister(connection.peer)
        connection.events = wanted

    def _end(self, connection: _Connection) -> None:
        """End a connection, and the work that was started on it: whoever ran it is gone."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._ready.discard(connection)
        if connection.events:
            self._selector.unregister(connection.peer)
        connection.peer.close()
        self._places.give(connection.holders)
        self._abandoned.extend((work, _holders(connection)) for work in connection.works.values())
        connection.works.clear()
        if connection.seat is not None:
            self._desk.leave(connection.seat)

    def _end_abandoned(self) -> None:
        """End one piece of the work whose workload is gone: a thousand at once would be a pause for all."""
        if self._abandoned:
            work, holders = self._abandoned.popleft()
            self._work_places.give(holders)
            _log.warning("a workload is gone; its work ended with it", extra={"inference_id": work.inference_id})
            with contextlib.suppress(AgentError):
                self._ledger.stop(work)


def _holders(connection: _Connection) -> tuple[Holder, ...]:
    """Return for whom a place of running work counts."""
    return Holder("connection", connection), Holder("user", connection.who.uid, USER_SHARE)
