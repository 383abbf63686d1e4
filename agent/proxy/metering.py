"""Each request as work: begun at the daemon (or in this process), ended once, whatever becomes of the request.

A session is asked by threads of its own, so that the proxy's other requests do not wait meanwhile. What goes wrong here
never reaches a request: there are no figures then, and a word says why.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from agent.errors import DaemonError, FigureLateError, MeasurementError, SettingsError, WorkNotTakenError
from agent.measurement import UNCOUNTED, Counts
from agent.proxy.figures import Figures, Unmeasured
from agent.session import Measurer, Running
from agent.windows.client import DaemonSession
from schemas.errors import GreenError

_T = TypeVar("_T")

RETRY_AFTER_S: Final = 5.0
_THREADS: Final = 8

AWAY: Final = Unmeasured("daemon-unavailable")
NO_MODEL: Final = Unmeasured("no-model")
REFUSED: Final = Unmeasured("refused")
BUSY: Final = Unmeasured("daemon-busy")
LATE: Final = Unmeasured("figure-late")
"""The daemon counts it, and did not say so in time."""
NO_FIGURE: Final = Unmeasured("no-figure")

_log = logging.getLogger(__name__)


class Work:
    """One request that is measured. Exactly one of its three ends counts."""

    def __init__(self, metering: Metering, session: Measurer, running: Running) -> None:
        """Take what runs."""
        self._metering = metering
        self._session = session
        self._running = running
        self._ended = False
        self.inference_id = running.inference_id
        self.simulated = session.simulated

    async def end(self, counts: Counts = UNCOUNTED) -> Figures | Unmeasured:
        """Return what was measured from the beginning until now."""
        if self._ended:
            return NO_FIGURE
        self._ended = True
        return await asyncio.wrap_future(self._metering.ask(lambda: self._stop(counts)))

    def abandon(self) -> None:
        """End it, if it runs still, without waiting: it is counted, and nobody is told."""
        if not self._ended:
            self._ended = True
            self._metering.ask(lambda: self._stop(UNCOUNTED))

    def forget(self) -> None:
        """Take it back without waiting: nothing ran."""
        if not self._ended:
            self._ended = True
            self._metering.ask(lambda: self._session.discard(self._running))

    def _stop(self, counts: Counts) -> Figures | Unmeasured:
        try:
            known = counts if self._session.has_room_for_counts else UNCOUNTED
            measurement = self._session.stop(self._running, known)
        except MeasurementError as error:
            _log.warning("no figure", extra={"inference_id": self.inference_id, "reason": error.detail})
            return LATE if isinstance(error, FigureLateError) else NO_FIGURE
        except Exception:  # noqa: BLE001 - whatever it is, the answer goes on
            _log.exception("measuring failed", extra={"inference_id": self.inference_id})
            return NO_FIGURE
        return Figures(self.inference_id, measurement, tuple(self._running.names))


class Metering:
    """Begins work. Of one event loop; ``open_session`` is called in a thread, again and again while it fails."""

    def __init__(self, open_session: Callable[[], Measurer], monotonic_s: Callable[[], float] = time.monotonic) -> None:
        """Prepare; the session is opened when it is first needed."""
        self._open = open_session
        self._monotonic_s = monotonic_s
        self._threads = ThreadPoolExecutor(_THREADS, "green-agent proxy")
        self._opening = threading.Lock()
        self._session: Measurer | None = None
        self._not_before_s = 0.0

    def open(self) -> None:
        """Open the session now. Raises what opening it raises."""
        self._session = self._open()

    async def begin(self, model_id: str, tenant_id: str | None) -> Work | Unmeasured:
        """Return work that runs from now, or why it is not measured."""
        if not model_id:
            return NO_MODEL
        future = self.ask(lambda: self._start(model_id, tenant_id))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            # The request is gone; what was begun for it must not run for ever.
            future.add_done_callback(_abandon)
            raise

    def ask(self, question: Callable[[], _T]) -> Future[_T]:
        """Return the answer to come of a question that one of the session's threads asks."""
        return self._threads.submit(question)

    def close(self, send_within_s: float) -> None:
        """End what is being asked, then the session."""
        self._threads.shutdown(wait=True)
        if self._session is not None:
            self._session.close(send_within_s=send_within_s)

    def _start(self, model_id: str, tenant_id: str | None) -> Work | Unmeasured:
        session = self._opened()
        if session is None:
            return AWAY
        try:
            running = session.start(model_id, None, None, tenant_id)
        except SettingsError as error:
            _log.warning("a request is not measured", extra={"reason": error.detail})
            return REFUSED
        except WorkNotTakenError as error:
            _log.warning("a request is not measured", extra={"reason": error.detail})
            return BUSY
        except Exception:  # noqa: BLE001 - whatever it is, the request goes on
            _log.exception("a request is not measured")
            return NO_FIGURE
        if isinstance(session, DaemonSession) and not session.knows(running):
            return AWAY
        return Work(self, session, running)

    def _opened(self) -> Measurer | None:
        with self._opening:
            if self._session is None and self._monotonic_s() >= self._not_before_s:
                self._not_before_s = self._monotonic_s() + RETRY_AFTER_S
                try:
                    self._session = self._open()
                except DaemonError as error:
                    _log.warning("requests are not measured: no daemon", extra={"reason": error.detail})
                except (GreenError, OSError):
                    _log.exception("requests are not measured")
            return self._session


def _abandon(future: Future[Work | Unmeasured]) -> None:
    if not future.cancelled() and future.exception() is None and isinstance(work := future.result(), Work):
        work.abandon()
