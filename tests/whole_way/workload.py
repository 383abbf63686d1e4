"""A workload in a process of its own: pieces of work at the daemon's socket, and a line for each of what it was told.

    python -m tests.whole_way.workload SOCKET LOG NAME WORKS_PER_SECOND [TENANT]

Several threads work at once. Where the daemon is gone, the work is told as lost and a new connection is tried; SIGTERM
ends it after the work that runs. A line is {"id", "stored", "before_us", "after_us", "tokens", "tenant"}: the wall
clock before and after the work was stopped, and ``stored`` what ``agent.measure`` said of it.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from agent.api import measure
from agent.clock import SystemClock
from agent.errors import DaemonError
from agent.windows.client import DaemonSession

THREADS = 3
_WORK_S = 0.002


class Worker:
    """What the threads share: the connection, the numbers of their works, the log."""

    def __init__(self, path: Path, log: Path, name: str, tenant: str | None) -> None:
        self._path = path
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._name = name
        self._tenant = tenant
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._session: DaemonSession | None = None
        self.stopped = threading.Event()

    def work(self, pause_s: float) -> None:
        """Work, once every ``pause_s``, until it is told to stop."""
        next_s = time.monotonic()
        while not self.stopped.wait(max(0.0, next_s - time.monotonic())):
            # Late work is not made up for: it would all fall into one window.
            next_s = max(next_s + pause_s, time.monotonic() - pause_s)
            session = self._connected()
            if session is not None:
                self._one(session)

    def _one(self, session: DaemonSession) -> None:
        number = next(self._numbers)
        with measure("org/model", f"{self._name}-{number}", tenant=self._tenant, session=session) as measured:
            measured.input_tokens, measured.output_tokens = number, 2 * number
            time.sleep(_WORK_S)
            before_us = time.time_ns() // 1000
        line = {
            "id": measured.inference_id,
            "stored": measured.result is not None,
            "before_us": before_us,
            "after_us": time.time_ns() // 1000,
            "tokens": [number, 2 * number],
            "tenant": self._tenant,
        }
        os.write(self._log, json.dumps(line).encode() + b"\n")
        if measured.result is None:
            with self._lock:
                if self._session is session:
                    self._session = None
            session.close()

    def _connected(self) -> DaemonSession | None:
        with self._lock:
            if self._session is None:
                try:
                    self._session = DaemonSession(self._path, SystemClock(), wait_s=10.0)
                except DaemonError:
                    self.stopped.wait(0.05)
            return self._session


def main() -> None:
    """Work as the arguments say."""
    path, log, name, rate, *tenant = sys.argv[1:]
    worker = Worker(Path(path), Path(log), name, tenant[0] if tenant else None)
    signal.signal(signal.SIGTERM, lambda *_: worker.stopped.set())
    threads = [threading.Thread(target=worker.work, args=(THREADS / float(rate),)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
