"""Canonicalization in killable processes, for documents whose contexts or shape are not our own.

The engine underneath can be made to run for hours, to take all memory, or to crash (security.md measured
each). So a stranger's document goes to a process that is killed when it exceeds its share and replaced;
the others go on. Workers are started from nothing (no fork of a process with threads and keys), get no
environment, and end with their input, so none outlives its parent.
"""

from __future__ import annotations

import json
import queue
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from schemas.errors import GreenError
from schemas.strict_json import JsonObject
from verifier.errors import (
    MalformedTermError,
    OverloadedError,
    ProofTransformationError,
    ResourceLimitError,
    UnsignedClaimError,
    UntrustedContextError,
)
from verifier.worker_link import WorkerProcess

_SHARE_BYTES: Final = 512 * 1024
_REFUSALS: Final[dict[str, type[GreenError]]] = {
    refusal.__name__: refusal
    for refusal in (
        MalformedTermError,
        ProofTransformationError,
        ResourceLimitError,
        UnsignedClaimError,
        UntrustedContextError,
    )
}


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What a document may cost, and how many are taken on. A larger document gets more for each 512 KiB begun."""

    cpu_s: float = 1.0
    """CPU time of a document of up to 512 KiB."""
    further_cpu_s: float = 0.5
    """CPU time for each further 512 KiB."""
    wall_factor: float = 5.0
    """Elapsed time, as a multiple of the CPU time: how busy the machine may be."""
    max_quads: int = 20_000
    """Statements for each 512 KiB."""
    max_steps: int = 2_000
    """Steps of the search among alike blank nodes."""
    memory_bytes: int = 1024 * 1024 * 1024
    """Address space of a worker."""
    documents: int = 500
    """Documents after which a worker is replaced, so that nothing accumulates."""
    waiting: int = 32
    """Callers that may wait for a free worker; further ones are turned away at once."""
    wait_s: float = 30.0
    """How long one waits."""
    start_s: float = 30.0
    """How long a worker may take to start."""

    def shares(self, document_bytes: int) -> int:
        """Return how many 512 KiB are begun, at least 1."""
        return max(1, -(-document_bytes // _SHARE_BYTES))

    def cpu_for_s(self, document_bytes: int) -> float:
        """Return the CPU time that a document of this size gets."""
        return self.cpu_s + (self.shares(document_bytes) - 1) * self.further_cpu_s


class WorkerPool:
    """A Canonicalizer over ``size`` processes, for callers in any thread. Workers start when first needed."""

    def __init__(self, size: int = 2, limits: WorkerLimits | None = None) -> None:
        self._limits = limits or WorkerLimits()
        self._admitted = threading.BoundedSemaphore(size + self._limits.waiting)
        self._slots: queue.LifoQueue[WorkerProcess | None] = queue.LifoQueue()
        for _ in range(size):
            self._slots.put(None)
        self._size = size

    def canonicalize(self, document: JsonObject) -> bytes:
        """Return the canonical N-Quads; as Canonicalizer.canonicalize.

        Raises also ResourceLimitError where the document cost the worker its life, and OverloadedError
        where too many others wait.
        """
        request, cpu_s = self._request(document)
        if not self._admitted.acquire(blocking=False):
            raise OverloadedError("too many documents are waiting to be processed; try again")
        try:
            return self._ask(request, cpu_s * self._limits.wall_factor)
        finally:
            self._admitted.release()

    def close(self) -> None:
        """End the workers. Waits for documents in work."""
        # All are taken out before any place is given back: the last place back is the next one out.
        for worker in [self._slots.get() for _ in range(self._size)]:
            if worker is not None:
                worker.stop()
            self._slots.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _request(self, document: JsonObject) -> tuple[bytes, float]:
        """Return the request for a document, and the CPU time in seconds that it allows."""
        try:
            encoded = json.dumps(document).encode()
        except RecursionError as error:
            raise ResourceLimitError("the document nests too deeply") from error
        cpu_s = self._limits.cpu_for_s(len(encoded))
        allowance = {
            "cpu_s": cpu_s,
            "max_quads": self._limits.max_quads * self._limits.shares(len(encoded)),
            "max_steps": self._limits.max_steps,
        }
        return json.dumps(allowance).encode()[:-1] + b', "document": ' + encoded + b"}", cpu_s

    def _ask(self, request: bytes, wall_s: float) -> bytes:
        try:
            worker = self._slots.get(timeout=self._limits.wait_s)
        except queue.Empty:
            raise OverloadedError("no worker became free in time; try again") from None
        kept: WorkerProcess | None = None
        try:
            if worker is None or not worker.alive:
                worker = self._replaced(worker)
            answer = worker.ask(request, wall_s=wall_s, start_s=self._limits.start_s)
            kept = worker if worker.documents < self._limits.documents else None
        finally:
            if worker is not None and kept is None:
                worker.stop()
            self._slots.put(kept)
        return _decoded(answer)

    def _replaced(self, worker: WorkerProcess | None) -> WorkerProcess:
        # One that died while it was idle must not cost the next document its answer.
        if worker is not None:
            worker.stop()
        return WorkerProcess(self._limits.memory_bytes)


def _decoded(answer: bytes) -> bytes:
    if answer[:1] == b"+":
        return answer[1:]
    refusal = json.loads(answer[1:])
    raise _REFUSALS.get(refusal["error"], ProofTransformationError)(refusal["detail"])
