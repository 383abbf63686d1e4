"""How long a canonical form may become: each statement repeats its subject, however long that is."""

import fcntl
import json
import os

import pytest

from tests.fakes.documents import W3C, clique, unsecured
from verifier.errors import ProofTransformationError, ResourceLimitError
from verifier.rdf.canonicalize import Limits, canonical_nquads
from verifier.rdf.work import FREE_CPU_S, Work
from verifier.rdf.worker import WorkerLimits, WorkerPool, _cost_s, _decoded
from verifier.rdf.worker_link import WorkerProcess
from verifier.rdf.worker_process import COST, LENGTH

DOCUMENT, _ = unsecured("credential.vc11")
FORM = canonical_nquads(DOCUMENT)


def repeating(characters, times, letter="x"):
    """Return a document whose statements all repeat one long subject."""
    return {"@context": W3C, "@id": "urn:" + letter * characters, "urn:p": [str(number) for number in range(times)]}


def test_a_form_of_just_the_limit_is_written_and_one_more_byte_is_not():
    assert canonical_nquads(DOCUMENT, limits=Limits(max_bytes=len(FORM))) == FORM
    with pytest.raises(ResourceLimitError, match="more than"):
        canonical_nquads(DOCUMENT, limits=Limits(max_bytes=len(FORM) - 1))


def test_what_counts_are_bytes_and_not_characters():
    value = {"@context": W3C, "@id": "urn:x", "urn:p": "é" * 1000}
    size = len(canonical_nquads(value))
    assert size > 2000
    with pytest.raises(ResourceLimitError):
        canonical_nquads(value, limits=Limits(max_bytes=size - 1))


def test_half_a_megabyte_of_document_is_no_gigabyte_of_statements():
    with pytest.raises(ResourceLimitError, match="more than 16777216 bytes"):
        canonical_nquads(repeating(400_000, 800))


def test_a_form_that_is_too_long_is_not_even_begun():
    # Poison, which would end by its steps if a blank node were looked at.
    value = {**clique(10), **repeating(400_000, 800)}
    with pytest.raises(ResourceLimitError, match="signed statements"):
        canonical_nquads(value)


# --- workers -------------------------------------------------------------------------------------------------


def test_workers_have_the_same_bound_and_larger_documents_a_larger_one():
    limits = WorkerLimits(max_canonical_bytes=100_000)
    with WorkerPool(size=1, limits=limits) as pool:
        assert pool.canonicalize(DOCUMENT) == FORM
        with pytest.raises(ResourceLimitError, match="more than 100000 bytes"):
            pool.canonicalize(repeating(10_000, 20))
        assert len(pool.canonicalize(repeating(100_000, 2))) > 200_000
        with pytest.raises(ResourceLimitError, match="more than"):
            pool.canonicalize(repeating(100_000, 5))


def test_an_answer_that_is_announced_too_long_is_not_read():
    worker = WorkerProcess(1024**3)
    source, sink = os.pipe()
    try:
        worker._source.close()
        worker._source, worker._ready = os.fdopen(source, "rb", buffering=0), True
        fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, 2**20)
        sent = os.write(sink, LENGTH.pack(2**32 - 1) + b"+" * 500_000)
        with pytest.raises(ResourceLimitError):
            worker.ask(b"{}", wall_s=1, start_s=1, max_bytes=2**20)
        assert len(os.read(worker._source.fileno(), 2**20)) >= sent - 64 * 1024
    finally:
        os.close(sink)
        worker.stop()


def test_an_answer_of_just_the_bound_is_read():
    worker = WorkerProcess(1024**3)
    source, sink = os.pipe()
    try:
        worker._source.close()
        worker._source, worker._ready = os.fdopen(source, "rb", buffering=0), True
        os.write(sink, LENGTH.pack(1000) + b"+" * 1000)
        assert worker.ask(b"{}", wall_s=30, start_s=30, max_bytes=1000) == b"+" * 1000
    finally:
        os.close(sink)
        worker.stop()


def test_a_worker_that_was_killed_cost_all_of_its_share():
    work = Work(0.5)
    limits = WorkerLimits(cpu_s=0.6, max_steps=10**15)
    with WorkerPool(size=1, limits=limits) as pool:
        with pytest.raises(ResourceLimitError, match="time or memory"):
            pool.canonicalize_for(work, clique(9))
        with pytest.raises(ResourceLimitError, match="together"):
            work.check()


def test_a_document_that_its_steps_ended_cost_what_it_took():
    work = Work(1e-9)
    with WorkerPool(size=1, limits=WorkerLimits(cpu_s=30)) as pool:
        with pytest.raises(ResourceLimitError, match="alike"):
            pool.canonicalize_for(work, {**clique(7), "urn:p": [str(number) for number in range(5_000)]})
        with pytest.raises(ResourceLimitError, match="together"):
            work.check()


@pytest.mark.parametrize(
    ("stated", "counted"), [(0.25, 0.25), (-1.0, 2.0), (9.0, 2.0), (float("nan"), 2.0), (float("inf"), 2.0)]
)
def test_a_cost_that_cannot_be_true_counts_as_the_whole_share(stated, counted):
    assert _cost_s(bytearray(COST.pack(stated) + b"+"), 2.0) == counted
    assert _cost_s(bytearray(b"+"), 2.0) == 2.0
    assert FREE_CPU_S < 2.0


@pytest.mark.parametrize(
    "answer", [b"", b"-", b"-{}", b"-[]", b'-{"error": "Exception", "detail": "x"}', b"-" + b"[" * 100_000, b"?x"]
)
def test_an_answer_that_no_worker_of_ours_gives_is_a_refusal(answer):
    with pytest.raises(ProofTransformationError):
        _decoded(bytearray(COST.pack(0.0) + answer))


def test_a_refusal_comes_with_its_words():
    answer = b"-" + json.dumps({"error": "ResourceLimitError", "detail": "why"}).encode()
    with pytest.raises(ResourceLimitError, match="why"):
        _decoded(bytearray(COST.pack(0.0) + answer))
