"""What an engine tells the daemon of its steps, without ever waiting for it.

    log = StepLog(Path("/run/green-agent/socket"), "meta-llama/Llama-3.1-70B-Instruct")
    log.begin("a1")
    log.step(t0_ns, t1_ns, [("a1", 512, 0, "prefill")])
    log.end("a1", input_tokens=512, output_tokens=436)

Each call appends to a queue; a thread of its own sends what is there every tenth of a second. The queue is bounded:
steps that do not fit are dropped and counted, and the daemon is told how many. Without a daemon all is dropped, which
is logged once, and a daemon is looked for again every second; a request that began meanwhile is never its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.attribution.steps import Phase
from agent.clock import Clock, SystemClock
from agent.windows.engine_protocol import (
    MAX_ENGINE_LINE_BYTES,
    Begin,
    End,
    EngineMessage,
    Part,
    StepLine,
    Steps,
    message_line,
)
from agent.windows.protocol import Request, line, read_reply
from schemas.errors import ParsingError

MAX_WAITING: Final = 4_096
"""Steps that wait to be sent: a minute and more of them."""

MAX_OPEN: Final = 8_192
"""Requests that are known at once; the daemon takes no more of all engines together."""

_PERIOD_S: Final = 0.1
_RETRY_S: Final = 1.0
_SEND_S: Final = 1.0
_TOLD_EVERY_S: Final = 60.0
_LONGEST_ID: Final = 120
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9._:-]")
_PART_BYTES: Final = 40
"""At most what a part of a step takes in a line."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Begun:
    request_id: str
    tenant_id: str | None
    at_ns: int


@dataclass(frozen=True, slots=True)
class _Stepped:
    t0_ns: int
    t1_ns: int
    parts: Sequence[tuple[str, int, int, Phase]]


@dataclass(frozen=True, slots=True)
class _Ended:
    request_id: str
    input_tokens: int | None
    output_tokens: int | None
    at_ns: int


class StepLog:
    """A log of one engine's steps. Any thread may call it; no call waits for anything."""

    def __init__(
        self, path: Path, model_id: str, *, clock: Clock | None = None, max_waiting: int = MAX_WAITING
    ) -> None:
        """Send to the daemon at ``path``, from a thread that is started here; ``model_id`` is what its records say."""
        self._path = path
        self._model_id = model_id
        self._clock = clock or SystemClock()
        self._max_waiting = max_waiting
        self._waiting: deque[_Begun | _Stepped | _Ended] = deque()
        self._steps = 0
        self._open: set[str] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._sender = _Sender(path, model_id)
        self.dropped = 0
        """Steps that were not told, for want of room or of a daemon."""
        self._untold = 0
        self._thread = threading.Thread(target=self._run, name="green-agent step log", daemon=True)
        self._thread.start()

    def begin(self, request_id: str, tenant_id: str | None = None) -> None:
        """Tell that a request begins, before its first step."""
        with self._lock:
            # The end of each that began is told, so these are bounded by their number.
            if len(self._open) < MAX_OPEN:
                self._open.add(request_id)
                self._waiting.append(_Begun(request_id, tenant_id, self._clock.boottime_ns()))

    def step(self, t0_ns: int, t1_ns: int, parts: Iterable[tuple[str, int, int, Phase]]) -> None:
        """Tell of a step that has ended: from, to, and (request, tokens, context, phase) of each request in it."""
        with self._lock:
            if self._steps >= self._max_waiting:
                self.dropped += 1
                self._untold += 1
                return
            self._steps += 1
            self._waiting.append(_Stepped(t0_ns, t1_ns, tuple(parts)))

    def end(self, request_id: str, input_tokens: int | None = None, output_tokens: int | None = None) -> None:
        """Tell that a request has ended, after its last step, and what it had."""
        with self._lock:
            if request_id in self._open:
                self._open.discard(request_id)
                self._waiting.append(_Ended(request_id, input_tokens, output_tokens, self._clock.boottime_ns()))

    def close(self) -> None:
        """Send what waits, and end the thread; it is waited for at most two seconds."""
        self._ended.set()
        self._thread.join(2 * _SEND_S)

    def _run(self) -> None:
        while not self._ended.wait(_PERIOD_S):
            self._flush()
        self._flush()
        self._sender.finish()

    def _flush(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
            self._steps, untold, self._untold = 0, self._untold, 0
        try:
            sent = self._sender.send(waiting, untold)
        except Exception:  # noqa: BLE001 - the next steps must be told whatever these met
            _log.exception("steps could not be told to the daemon")
            sent = False
        if not sent:
            self.dropped += sum(isinstance(one, _Stepped) for one in waiting)


class _Sender:
    """The connection to a daemon, and what it knows. One thread calls it."""

    def __init__(self, path: Path, model_id: str) -> None:
        self._path = path
        self._model_id = model_id
        self._socket: socket.socket | None = None
        self._received = bytearray()
        self._not_before_s = 0.0
        self._quiet_until_s = 0.0
        self._numbers: dict[str, int] = {}
        self._begun: set[str] = set()
        self._next = 0

    def send(self, waiting: Iterable[_Begun | _Stepped | _Ended], untold: int) -> bool:
        """Send what waits, and return whether a daemon has it."""
        if self._socket is None and not self._connect():
            return False
        try:
            for text in self._lines(waiting, untold):
                self._require().sendall(text)
            self._read_refusals()
        except (OSError, ParsingError) as error:
            self._lose(error)
            return False
        return True

    def finish(self) -> None:
        """End the connection when the daemon has read all of it, or after a second."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
                while self._socket.recv(65_536):
                    pass
        self.close()

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._numbers.clear()
        self._begun.clear()
        self._received.clear()

    def _require(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionError("not connected")
        return self._socket

    def _connect(self) -> bool:
        if time.monotonic() < self._not_before_s:
            return False
        self._not_before_s = time.monotonic() + _RETRY_S
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        peer.settimeout(_SEND_S)
        try:
            peer.connect(os.fspath(self._path))
            peer.sendall(line(Request(v=1, op="engine")))
        except OSError as error:
            peer.close()
            self._lose(error)
            return False
        self._socket = peer
        return True

    def _lose(self, error: Exception) -> None:
        self.close()
        if time.monotonic() >= self._quiet_until_s:
            self._quiet_until_s = time.monotonic() + _TOLD_EVERY_S
            _log.warning(
                "no daemon takes this engine's steps; its energy belongs to nobody until one does",
                extra={"socket": str(self._path), "reason": str(error)},
            )

    def _lines(self, waiting: Iterable[_Begun | _Stepped | _Ended], untold: int) -> Iterable[bytes]:
        steps: list[StepLine] = []
        size = 0
        for one in waiting:
            if isinstance(one, _Stepped):
                more = _PART_BYTES * (len(one.parts) + 2)
                if more > MAX_ENGINE_LINE_BYTES // 2:
                    untold += 1
                    continue
                if size + more > MAX_ENGINE_LINE_BYTES // 2:
                    yield message_line(Steps(s=steps))
                    steps, size = [], 0
                steps.append(StepLine(one.t0_ns, one.t1_ns, [self._part(part) for part in one.parts]))
                size += more
                continue
            if steps:
                yield message_line(Steps(s=steps))
                steps, size = [], 0
            if (message := self._message(one)) is not None:
                yield message_line(message)
        if steps or untold:
            yield message_line(Steps(s=steps, dropped=untold))

    def _message(self, one: _Begun | _Ended) -> EngineMessage | None:
        if isinstance(one, _Begun):
            self._begun.add(one.request_id)
            number = self._number(one.request_id)
            name = inference_id(one.request_id)
            return Begin(r=number, model=self._model_id, id=name, tenant=one.tenant_id, t=one.at_ns)
        number = self._numbers.pop(one.request_id, 0)
        if one.request_id not in self._begun:
            # It began before this daemon did.
            return None
        self._begun.discard(one.request_id)
        return End(r=number, input=one.input_tokens, output=one.output_tokens, t=one.at_ns)

    def _part(self, part: tuple[str, int, int, Phase]) -> Part:
        request_id, tokens, context, phase = part
        return self._number(request_id), tokens, context, 1 if phase == "decode" else 0

    def _number(self, request_id: str) -> int:
        """Return the number of a request; one that began before this daemon did has one too, which it does not know."""
        number = self._numbers.get(request_id)
        if number is None:
            number = self._numbers[request_id] = self._next
            self._next += 1
        return number

    def _read_refusals(self) -> None:
        peer = self._require()
        peer.settimeout(0.0)
        with contextlib.suppress(BlockingIOError):
            while chunk := peer.recv(65_536):
                self._received += chunk
            raise ConnectionResetError("the daemon closed the connection")
        peer.settimeout(_SEND_S)
        *lines, rest = self._received.split(b"\n")
        self._received = bytearray(rest)
        refused = [reply for reply in map(read_reply, map(bytes, lines)) if not reply.ok]
        if refused and time.monotonic() >= self._quiet_until_s:
            self._quiet_until_s = time.monotonic() + _TOLD_EVERY_S
            told = {"refusals": len(refused), "reason": refused[0].detail}
            _log.warning("the daemon refused what an engine told; that counts for nobody", extra=told)


def inference_id(request_id: str) -> str:
    """Return the id that a record gives a request: its own where a record can carry that, else one made of it."""
    if request_id and len(request_id) <= _LONGEST_ID and not _FOREIGN.search(request_id):
        return request_id
    mark = hashlib.sha256(request_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{_FOREIGN.sub('-', request_id)[: _LONGEST_ID - 17]}-{mark}"
