"""A connection to the daemon: requests by number, whose answers any number of threads wait for at once, each only so long.

A daemon that did not answer in time is late: what is asked after that is told to it and not waited for, until it has
caught up. Where it owes an answer for more than a second, the connection ends.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
import time
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from agent.errors import DaemonError
from agent.windows.protocol import Reply, Request, line, read_reply
from schemas.errors import ParsingError

LATE_FOR_S: Final = 1.0
"""How long answers may be owed."""

_CHUNK: Final = 64 * 1024
_MAX_UNSENT_BYTES: Final = 256 * 1024
_MS_PER_S: Final = 1000

_log = logging.getLogger(__name__)


class Link:
    """One connection. Any thread may ask; nobody waits for another's answer."""

    def __init__(self, path: Path, wait_s: float) -> None:
        """Connect. Raises DaemonError where nobody listens at ``path``, or not within ``wait_s``."""
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        peer.settimeout(wait_s)
        try:
            peer.connect(os.fspath(path))
        except OSError as error:
            peer.close()
            raise DaemonError(f"no daemon at {path}: {error.strerror or error}") from error
        peer.setblocking(False)  # noqa: FBT003 - the socket's own signature
        self._socket: socket.socket | None = peer
        self._wait_s = wait_s
        self._changed = threading.Condition()
        self._number = 0
        self._unsent = bytearray()
        self._received = bytearray()
        self._replies: dict[int, Reply | None] = {}
        self._reading = False
        self._late: deque[tuple[int, float]] = deque()
        self._refusals: dict[int, str] = {}

    @property
    def is_gone(self) -> bool:
        """Whether the connection has ended."""
        return self._socket is None

    def ask(self, request: Request) -> tuple[int, Reply | None]:
        """Send a request, its ``n`` given here; return that and the answer, None where none came in time."""
        sent_s = time.monotonic()
        with self._changed:
            self._catch_up()
            self._number = number = self._number + 1
            if self._socket is None:
                return number, None
            self._unsent += line(msgspec.structs.replace(request, n=number))
            self._flush()
            if self._late:
                self._late.append((number, sent_s))
                return number, None
            self._replies[number] = None
            reply = self._wait_for(number, sent_s + self._wait_s)
            if reply is None and self._socket is not None:
                self._late.append((number, sent_s))
            return number, reply

    def refusal(self, number: int) -> str | None:
        """Return why a request that was not waited for was refused; None where it was not, or nobody knows yet."""
        with self._changed:
            self._catch_up()
            return self._refusals.pop(number, None)

    def close(self) -> None:
        """End the connection, and with it what runs."""
        with self._changed:
            self._drop()

    def forget(self) -> None:
        """Close this process's copy of the connection, after a fork: it is the parent's."""
        self._changed = threading.Condition()
        self._reading = False
        self.close()

    def _wait_for(self, number: int, until_s: float) -> Reply | None:
        """Wait; of those who wait, one reads for all."""
        while self._socket is not None and self._replies[number] is None:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                break
            if self._reading:
                self._changed.wait(left_s)
                continue
            self._reading = True
            descriptor = self._socket.fileno()
            self._changed.release()
            try:
                poll = select.poll()
                poll.register(descriptor, select.POLLIN)
                poll.poll(left_s * _MS_PER_S)
            finally:
                self._changed.acquire()
                self._reading = False
            self._receive()
            self._changed.notify_all()
        return self._replies.pop(number)

    def _catch_up(self) -> None:
        """Send and take what can be, without waiting; end a connection that owes an answer for too long."""
        self._flush()
        if self._late:
            self._receive()
        if self._late and time.monotonic() - self._late[0][1] > LATE_FOR_S:
            self._gone(f"no answer for more than {LATE_FOR_S} s")

    def _flush(self) -> None:
        try:
            while self._socket is not None and self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            if len(self._unsent) > _MAX_UNSENT_BYTES:
                self._gone("it takes nothing any more")
        except OSError as error:
            self._gone(str(error))

    def _receive(self) -> None:
        try:
            while self._socket is not None:
                chunk = self._socket.recv(_CHUNK)
                if not chunk:
                    self._gone("it closed the connection")
                    return
                self._received += chunk
                self._read_lines()
        except BlockingIOError:
            return
        except (OSError, ParsingError) as error:
            self._gone(str(error))

    def _read_lines(self) -> None:
        *lines, rest = bytes(self._received).split(b"\n")
        self._received = bytearray(rest)
        for text in lines:
            reply = read_reply(text)
            number = reply.n or 0
            if number in self._replies:
                self._replies[number] = reply
            elif not reply.ok:
                self._refusals[number] = reply.detail or "the daemon refused it"
            # They come in the order of the questions.
            while self._late and self._late[0][0] <= number:
                self._late.popleft()

    def _gone(self, reason: str) -> None:
        _log.warning("the daemon is gone; work is not measured until it is back", extra={"reason": reason})
        self._drop()

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._late.clear()
        self._changed.notify_all()
