"""``green-verifier serve`` in a process of its own, and raw bytes to any server on loopback."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.fakes.ports import free_port
from tests.vectors import ROOT

START_TIMEOUT_S = 30.0


class Exchange(NamedTuple):
    """What came back: the bytes, whether the server closed the connection, and after how many seconds."""

    received: bytes
    closed: bool
    seconds: float

    @property
    def statuses(self) -> list[int]:
        """The status of every answer."""
        return [int(status) for status in re.findall(rb"HTTP/1\.[01] ([0-9]{3})", self.received)]


def exchange(port: int, *pieces: bytes, timeout_s: float = 5.0, pause_s: float = 0.0) -> Exchange:
    """Send bytes as they are and return what comes back until the connection closes or goes quiet."""
    started_s = time.monotonic()
    received, closed = b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        # A server that has heard enough may close before it has heard everything.
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
                if pause_s:
                    time.sleep(pause_s)
        try:
            while chunk := connection.recv(65536):
                received += chunk
            closed = True
        except TimeoutError:
            pass
        except ConnectionError:
            closed = True
    return Exchange(received, closed, time.monotonic() - started_s)


def request(*lines: str, method: str = "GET", target: str = "/healthz", host: str = "localhost") -> bytes:
    """Return the head of a request with those header lines, to be the only one of its connection."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *lines, "Connection: close", "", ""]).encode(
        "latin-1"
    )


class VerifierProgram:
    """A running service; ``settings`` become GREEN_VERIFIER_ variables."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """Start it and return when it answers."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "verifier.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GREEN_VERIFIER_")}
        environment |= {"PYTHONPATH": str(ROOT)}
        environment |= {f"GREEN_VERIFIER_{name.upper()}": value for name, value in settings.items()}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "verifier", "serve", "--port", str(self.port)],
                env=environment,
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if exchange(self.port, request()).statuses == [200]:
                    return
            time.sleep(0.05)
        self.stop()
        raise AssertionError(self.log())

    def log(self) -> str:
        """Return what the service has logged."""
        return self._log.read_text(encoding="utf-8")

    def stop(self) -> int:
        """Stop it and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)
