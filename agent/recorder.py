"""The thread that signs measurements and puts them into the spool, so that the work waits for neither."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeAlias

from agent.errors import SpoolFullError
from agent.measurement import Measurement
from agent.record import Labels, signed_record
from agent.spool import Spool
from did.signers import Signer

MAX_WAITING: Final = 10_000
"""Measurements that may wait for a slow disk, in memory. Those beyond are lost, and counted as lost."""

_Job: TypeAlias = "tuple[Measurement, Labels, Future[str]]"

_log = logging.getLogger(__name__)


class Recorder:
    """Turns measurements into records on disk, in the order in which they ended.

    A measurement handed over is in memory until its future is done: kill -9 before that loses it. ``flush`` waits.
    """

    def __init__(
        self,
        signer: Signer,
        spool: Spool,
        *,
        stored: Callable[[], None] = lambda: None,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        """Start the thread; ``stored`` is called after each record that is on disk."""
        self._signer = signer
        self._spool = spool
        self._stored = stored
        self._jobs: queue.Queue[_Job | None] = queue.Queue(max_waiting)
        self._thread = threading.Thread(target=self._run, name="green-agent recorder", daemon=True)
        self._thread.start()

    def put(self, measurement: Measurement, labels: Labels) -> Future[str]:
        """Return at once a future of the record's name in the spool; it fails with the AgentError that prevented it."""
        future: Future[str] = Future()
        try:
            self._jobs.put_nowait((measurement, labels, future))
        except queue.Full:
            self._spool.note_loss()
            _log.critical("a measurement was lost: the disk is too slow", extra={"inference_id": labels.inference_id})
            future.set_exception(SpoolFullError("measurements come faster than the disk takes them"))
        return future

    def close(self, timeout_s: float) -> bool:
        """Write what waits, end the thread, and return whether that was done in time."""
        try:
            self._jobs.put(None, timeout=timeout_s)
        except queue.Full:
            return False
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            measurement, labels, future = job
            try:
                name = self._spool.enqueue(signed_record(measurement, labels, self._signer))
            except Exception as error:  # noqa: BLE001 - a key's backend may raise anything; the next record must not suffer
                _log.critical("a measurement was lost", extra={"inference_id": labels.inference_id}, exc_info=error)
                future.set_exception(error)
            else:
                future.set_result(name)
                self._stored()
