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
from typing import Final, NamedTuple, Self

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
from verifier.rdf.work import Work
from verifier.rdf.worker_link import WorkerProcess
from verifier.rdf.worker_process import COST

# What an answer has besides canonical N-Quads, or in their place: its cost, and the words of a refusal.
_ANSWER_BYTES: Final = 64 * 1024
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
    max_canonical_bytes: int = 16 * 1024 * 1024
    """Bytes of canonical N-Quads, or four times the document where that is more; ours have about its size."""
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

    def canonical_bytes(self, document_bytes: int) -> int:
        """Return how large the canonical form of a document of this size may be."""
        return max(self.max_canonical_bytes, 4 * document_bytes)


class _Request(NamedTuple):
    """What a worker is sent, and what the document may cost."""

    encoded: bytes
    cpu_s: float
    canonical_bytes: int


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
        return self.canonicalize_for(Work(), document)

    def canonicalize_for(self, work: Work, document: JsonObject) -> bytes:
        """Return as canonicalize, having counted the worker's CPU time in ``work``: all of its share where it died."""
        request = self._request(document)
        if not self._admitted.acquire(blocking=False):
            raise OverloadedError("too many documents are waiting to be processed; try again")
        try:
            answer = self._ask(request)
        except ResourceLimitError:
            work.spend(request.cpu_s)
            raise
        finally:
            self._admitted.release()
        work.spend(_cost_s(answer, request.cpu_s))
        return _decoded(answer)

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

    def _request(self, document: JsonObject) -> _Request:
        try:
            encoded = json.dumps(document).encode()
        except RecursionError as error:
            raise ResourceLimitError("the document nests too deeply") from error
        limits, size = self._limits, len(encoded)
        allowance = {
            "cpu_s": limits.cpu_for_s(size),
            "max_quads": limits.max_quads * limits.shares(size),
            "max_steps": limits.max_steps,
            "max_bytes": limits.canonical_bytes(size),
        }
        request = json.dumps(allowance).encode()[:-1] + b', "document": ' + encoded + b"}"
        return _Request(request, limits.cpu_for_s(size), limits.canonical_bytes(size))

    def _ask(self, request: _Request) -> bytearray:
        try:
            worker = self._slots.get(timeout=self._limits.wait_s)
        except queue.Empty:
            raise OverloadedError("no worker became free in time; try again") from None
        kept: WorkerProcess | None = None
        try:
            if worker is None or not worker.alive:
                worker = self._replaced(worker)
            answer = worker.ask(
                request.encoded,
                wall_s=request.cpu_s * self._limits.wall_factor,
                start_s=self._limits.start_s,
                max_bytes=request.canonical_bytes + _ANSWER_BYTES,
            )
            kept = worker if worker.documents < self._limits.documents else None
        finally:
            if worker is not None and kept is None:
                worker.stop()
            self._slots.put(kept)
        return answer

    def _replaced(self, worker: WorkerProcess | None) -> WorkerProcess:
        # One that died while it was idle must not cost the next document its answer.
        if worker is not None:
            worker.stop()
        return WorkerProcess(self._limits.memory_bytes)


# A worker that a document has taken over may answer anything.


def _cost_s(answer: bytearray, most_s: float) -> float:
    cost_s: float = COST.unpack_from(answer)[0] if len(answer) >= COST.size else most_s
    return cost_s if 0 <= cost_s <= most_s else most_s


def _decoded(answer: bytearray) -> bytes:
    kind, content = answer[COST.size : COST.size + 1], memoryview(answer)[COST.size + 1 :]
    if kind == b"+":
        return bytes(content)
    try:
        refusal = json.loads(bytes(content))
        error, detail = _REFUSALS[refusal["error"]], str(refusal["detail"])
    except (ValueError, LookupError, TypeError, RecursionError) as cause:
        raise ProofTransformationError(
            "the worker that processed the document gave no answer that can be read"
        ) from cause
    raise error(detail)
