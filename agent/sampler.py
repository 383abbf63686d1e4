"""The thread that reads the meters while something is measured, and rests while nothing is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)


class Sampler:
    """Calls ``tick`` every ``period_s`` from ``wake`` until ``idle()``."""

    def __init__(self, tick: Callable[[], None], idle: Callable[[], bool], period_s: float) -> None:
        """Start the thread, resting."""
        self._tick = tick
        self._idle = idle
        self._period_s = period_s
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="green-agent sampler", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Sample from now on: a measurement has started."""
        self._wanted.set()

    def close(self) -> None:
        """End the thread and wait for it, at most a second."""
        self._stopped.set()
        self._wanted.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wanted.wait()
            # Cleared before idleness is asked for: a measurement that starts in between sets it again.
            self._wanted.clear()
            while not self._idle() and not self._stopped.wait(self._period_s):
                try:
                    self._tick()
                except Exception:  # noqa: BLE001 - the next sample must be taken whatever this one met
                    _log.exception("a sample failed")
