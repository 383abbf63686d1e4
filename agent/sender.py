"""The thread that sends the spool in the background while a program measures."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final, Protocol

from agent.errors import SpoolBusyError

BUSY_PAUSE_S: Final = 30.0
"""How long to leave the spool alone where another process is sending, or nothing helped."""

_log = logging.getLogger(__name__)


class Achieved(Protocol):
    """What a round of sending achieved."""

    @property
    def remaining(self) -> int:
        """Return how much waits still, to be tried again."""
        ...


class Drains(Protocol):
    """What sends a spool: agent.submit, agent.windows.submit."""

    def drain(self) -> Achieved:
        """Send until nothing is left, or sending must be given up. Raises SpoolBusyError."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class Sender:
    """Drains the spool after every ``wake``, in a thread of its own."""

    def __init__(
        self, submitter: Callable[[Callable[[float], bool]], Drains], *, busy_pause_s: float = BUSY_PAUSE_S
    ) -> None:
        """Start the thread, resting. ``submitter`` makes one from the ``sleep`` that it is given."""
        self._busy_pause_s = busy_pause_s
        self._stopped = threading.Event()
        self._changed = threading.Condition()
        self._asked = 0
        self._served = 0
        self._submitter = submitter(self._stopped.wait)
        self._thread = threading.Thread(target=self._run, name="green-agent sender", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Send: there is something in the spool."""
        with self._changed:
            self._asked += 1
            self._changed.notify_all()

    def close(self, within_s: float) -> bool:
        """Wait until all is sent, at most ``within_s``, end the thread, and return whether all was sent."""
        with self._changed:
            sent = self._changed.wait_for(lambda: self._served == self._asked, within_s)
            self._stopped.set()
            self._changed.notify_all()
        self._thread.join(0.2)
        return sent

    def _run(self) -> None:
        while not self._stopped.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._asked > self._served or self._stopped.is_set())
                asked = self._asked
            if not self._stopped.is_set() and self._drained():
                with self._changed:
                    self._served = asked
                    self._changed.notify_all()
            else:
                self._stopped.wait(self._busy_pause_s)
        self._submitter.close()

    def _drained(self) -> bool:
        try:
            return not self._submitter.drain().remaining
        except SpoolBusyError:
            return False
        except Exception:  # noqa: BLE001 - see below
            # Whatever it was, what is spooled stays there, and the thread must be there for the next try.
            _log.exception("the spool could not be sent")
            return False
