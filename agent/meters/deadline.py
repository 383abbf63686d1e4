"""Readings with a deadline: a driver that hangs holds up neither the other meters nor the work.

Each library has one thread that calls it, since a driver that hangs for one device mostly hangs for all. A call that
takes too long is given up: it gives no reading, and until it comes back, and a second at least, the library's meters
fail at once: one that is merely slow costs a quarter of the time and no more. What it says then is thrown away. The
hole is told as that of any meter that gave no reading.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Final

from agent.errors import ReadingFailedError
from agent.meters.protocol import Meter, Method, Reading, Scope, Unit

DEADLINE_S: Final = 0.25
"""How long a reading may take; NVML's takes under 10 ms. A workload waits for the daemon at most 50 ms in any case."""


class Caller:
    """One thread that calls a library, a call at a time. Any thread may ask it."""

    def __init__(self, deadline_s: float = DEADLINE_S, *, rest_s: float = 1.0) -> None:
        """Start nothing yet: the thread comes with the first call, and ends after the last meter."""
        self._deadline_s = deadline_s
        self._rest_s = rest_s
        self._rested_s = 0.0
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._late: _Call | None = None
        self._users = 0

    def take(self) -> None:
        """Count a meter that is read by it."""
        self._users += 1

    def release(self) -> None:
        """Let the thread end after the last meter; a call that hangs is not waited for."""
        self._users -= 1
        if self._users == 0 and self._thread is not None:
            self._calls.put(None)
            self._thread = None

    def call(self, read: Callable[[], Reading]) -> Reading:
        """Return what ``read`` returns or raise what it raises; ReadingFailedError where it takes too long."""
        if self._late is not None and not (self._late.done.is_set() and time.monotonic() >= self._rested_s):
            raise ReadingFailedError("the driver has not answered an earlier reading in time")
        self._late = None
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="green-agent driver", daemon=True)
            self._thread.start()
        call = _Call(read)
        self._calls.put(call)
        if not call.done.wait(self._deadline_s):
            self._late, self._rested_s = call, time.monotonic() + self._rest_s
            raise ReadingFailedError(f"the driver gave no answer within {self._deadline_s:g} s")
        if call.error is not None:
            raise call.error
        if call.reading is None:
            raise ReadingFailedError("the driver gave no answer")
        return call.reading

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call.reading = call.read()
            except Exception as error:  # noqa: BLE001 - whoever asked gets it
                call.error = error
            finally:
                call.done.set()


class _Call:
    __slots__ = ("done", "error", "read", "reading")

    def __init__(self, read: Callable[[], Reading]) -> None:
        self.read = read
        self.reading: Reading | None = None
        self.error: Exception | None = None
        self.done = threading.Event()


class DeadlineMeter:
    """A meter whose readings have a deadline."""

    def __init__(self, meter: Meter, caller: Caller) -> None:
        """Read ``meter`` by ``caller``."""
        self._meter = meter
        self._caller = caller
        caller.take()

    @property
    def name(self) -> str:
        """Return the meter's name."""
        return self._meter.name

    @property
    def device(self) -> str:
        """Return the device's identity."""
        return self._meter.device

    @property
    def model(self) -> str:
        """Return the device's product name."""
        return self._meter.model

    @property
    def unit(self) -> Unit:
        """Return what the meter gives."""
        return self._meter.unit

    @property
    def scope(self) -> Scope:
        """Return what the figure covers."""
        return self._meter.scope

    @property
    def method(self) -> Method:
        """Return the grade of the meter."""
        return self._meter.method

    @property
    def simulated(self) -> bool:
        """Return whether the figures are invented."""
        return self._meter.simulated

    @property
    def period_s(self) -> float:
        """Return how often the meter must be read."""
        return self._meter.period_s

    def read(self) -> Reading:
        """Return a reading. Raises ReadingFailedError, also where it took too long."""
        return self._caller.call(self._meter.read)

    def close(self) -> None:
        """Close the meter, unless its library hangs: then nothing can be given back."""
        with contextlib.suppress(ReadingFailedError):
            self._caller.call(self._closed)
        self._caller.release()

    def _closed(self) -> Reading:
        self._meter.close()
        return Reading(self.device, 0, 0)
