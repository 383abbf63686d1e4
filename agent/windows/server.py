"""The daemon's socket: workloads say what they run. One thread, and no workload can hold up another.

The socket belongs to the agent's user alone (0600), or to a group besides (0660). Connections, lines and answers that
nobody reads are bounded.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.errors import AgentError, SettingsError
from agent.measurement import Counts
from agent.windows.ledger_window import WindowLedger, Work
from agent.windows.protocol import (
    MAX_LINE_BYTES,
    MAX_SOCKET_PATH_BYTES,
    Reply,
    Request,
    Result,
    WorkerStatus,
    line,
    read_request,
)
from schemas.errors import GreenError, ParsingError

MAX_CONNECTIONS: Final = 256
_MAX_UNREAD_BYTES: Final = 256 * 1024
_CHUNK: Final = 64 * 1024
_SHOWN_RECORDS: Final = 8

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Connection:
    peer: socket.socket
    received: bytearray = field(default_factory=bytearray)
    unsent: bytearray = field(default_factory=bytearray)
    works: dict[str, Work] = field(default_factory=dict)
    ending: bool = False


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
    ) -> None:
        """Listen at ``path``; what lies there from a daemon that was killed is removed. Raises SettingsError."""
        self._path = path
        self._ledger = ledger
        self._clock = clock
        self._new_id = new_id
        self._status = status
        self._max_connections = max_connections
        self._connections: set[_Connection] = set()
        self._stopping = False
        self._listener = _listen(path, group)
        self._identity = path.stat().st_ino
        self._woken, self._waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve until ``stop``; then end all connections and what was started on them."""
        while not self._stopping:
            for key, events in self._selector.select():
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.data, _Connection):
                    self._serve(key.data, events)
        for connection in list(self._connections):
            self._end(connection)
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
        if len(self._connections) >= self._max_connections:
            peer.close()
            _log.warning("a workload was turned away: too many connections", extra={"limit": self._max_connections})
            return
        peer.setblocking(False)  # noqa: FBT003 - the socket's own signature
        connection = _Connection(peer)
        self._connections.add(connection)
        self._selector.register(peer, selectors.EVENT_READ, connection)

    def _serve(self, connection: _Connection, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._send(connection)
            if events & selectors.EVENT_READ:
                chunk = connection.peer.recv(_CHUNK)
                if not chunk:
                    self._end(connection)
                    return
                connection.received += chunk
                self._answer_all(connection)
                self._send(connection)
        except OSError:
            self._end(connection)
        except Exception:  # noqa: BLE001 - see below
            # One workload's trouble is not the others'.
            _log.exception("a workload's request failed")
            self._end(connection)

    def _answer_all(self, connection: _Connection) -> None:
        while not connection.ending:
            cut = connection.received.find(b"\n")
            if cut < 0:
                if len(connection.received) > MAX_LINE_BYTES:
                    self._refuse(connection, ParsingError(f"a line has at most {MAX_LINE_BYTES} bytes"))
                return
            text = bytes(connection.received[:cut])
            del connection.received[: cut + 1]
            if len(text) > MAX_LINE_BYTES:
                self._refuse(connection, ParsingError(f"a line has at most {MAX_LINE_BYTES} bytes"))
                return
            try:
                request = read_request(text)
            except ParsingError as error:
                self._refuse(connection, error)
                return
            connection.unsent += line(self._answer(connection, request))
            if len(connection.unsent) > _MAX_UNREAD_BYTES:
                raise ConnectionError("the workload does not read its answers")

    def _refuse(self, connection: _Connection, error: GreenError) -> None:
        connection.unsent += line(Reply(ok=False, problem=error.name, detail=error.detail))
        connection.ending = True

    def _answer(self, connection: _Connection, request: Request) -> Reply:
        try:
            if request.op == "start":
                return self._start(connection, request)
            if request.op == "status":
                return Reply(n=request.n, ok=True, status=self._status())
            work = connection.works.pop(request.id or "", None)
            if work is None:
                raise SettingsError(f"{request.op}: id {request.id!a} was not started on this connection")
            if request.op == "discard":
                self._ledger.discard(work)
                return Reply(n=request.n, ok=True, id=work.inference_id)
            requests = 1 if request.requests is None else request.requests
            self._ledger.stop(work, Counts(request.input_tokens, request.output_tokens, requests))
            return self._outcome(work, request.n)
        except AgentError as error:
            return Reply(n=request.n, ok=False, id=request.id, problem=error.name, detail=error.detail)

    def _start(self, connection: _Connection, request: Request) -> Reply:
        if request.model_id is None:
            raise SettingsError("start: model_id is missing")
        inference_id = request.inference_id or self._new_id()
        parent = connection.works.get(request.parent or "")
        work = self._ledger.start(request.model_id, inference_id, request.tenant_id, parent)
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
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.unsent else 0)
        self._selector.modify(connection.peer, wanted, connection)

    def _end(self, connection: _Connection) -> None:
        """End a connection, and the work that was started on it: whoever ran it is gone."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._selector.unregister(connection.peer)
        connection.peer.close()
        for work in connection.works.values():
            _log.warning("a workload is gone; its work ended with it", extra={"inference_id": work.inference_id})
            with contextlib.suppress(AgentError):
                self._ledger.stop(work)
        connection.works.clear()


def _listen(path: Path, group: str) -> socket.socket:
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise SettingsError(f"socket: {path} has more than {MAX_SOCKET_PATH_BYTES} bytes; set socket to a shorter path")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    # Made under another name, so that it is never there with too wide a mode.
    part = path.with_name(f".{os.getpid()}")
    try:
        part.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            listener.bind(os.fspath(part))
        finally:
            os.umask(before)
        if group:
            shutil.chown(part, group=group)
            part.chmod(0o660)
        listener.listen(64)
        part.replace(path)
    except (OSError, LookupError) as error:
        listener.close()
        part.unlink(missing_ok=True)
        raise SettingsError(f"socket: {path} cannot be used: {error}") from error
    return listener
