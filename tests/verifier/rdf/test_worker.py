"""Canonicalization in killable processes: the same answers, and no document that harms another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyld import jsonld

from tests.fakes.documents import W3C, clique, example, unsecured
from tests.vectors import FORMATS, ROOT, shared
from verifier.errors import (
    MalformedTermError,
    OverloadedError,
    ProofTransformationError,
    ResourceLimitError,
    UnsignedClaimError,
    UntrustedContextError,
)
from verifier.rdf.canonicalize import canonical_nquads
from verifier.rdf.worker import WorkerLimits, WorkerPool

POISON = WorkerLimits(cpu_s=0.6, max_steps=10**15)
"""Limits that leave poison to the CPU timer alone."""


@pytest.fixture(scope="module")
def pool():
    with WorkerPool(size=1) as pool:
        yield pool


def worker_of(pool):
    worker = pool._slots.get()
    pool._slots.put(worker)
    return worker


def wait_until_busy(pool):
    while pool._slots.qsize():
        time.sleep(0.01)


def gone(pid, timeout_s=10.0):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("name", ["credential.vc11", "credential.vc20", "presentation.vc11", "status-list.vc11"])
def test_the_canonical_form_is_that_of_this_process(pool, name):
    document, _ = unsecured(name)
    assert pool.canonicalize(document) == (FORMATS / "canonical" / f"{name}.nq").read_bytes()


@pytest.mark.parametrize(
    ("document", "refusal"),
    [
        ({"@context": W3C, "undefined": "x", "type": "VerifiableCredential"}, UnsignedClaimError),
        ({"@context": W3C}, UnsignedClaimError),
        ({"@context": "https://example.com/v1", "a": "b"}, UntrustedContextError),
        ({"@context": [W3C, {"@vocab": "urn:v:"}], "a": "b"}, UntrustedContextError),
        ({"@context": W3C, "id": "relative", "type": "VerifiableCredential"}, MalformedTermError),
        ({"@context": W3C, "urn:p": "\ud800"}, MalformedTermError),
        ({"@context": W3C, "id": 1}, ProofTransformationError),
        (clique(10), ResourceLimitError),
    ],
)
def test_a_refusal_comes_through_as_it_is(pool, document, refusal):
    with pytest.raises(refusal) as told:
        pool.canonicalize(document)
    assert told.value.detail


def test_a_refused_document_costs_no_worker_its_life(pool):
    pool.canonicalize(unsecured("status-list.vc11")[0])
    pid = worker_of(pool).pid
    with pytest.raises(ResourceLimitError):
        pool.canonicalize(clique(10))
    assert worker_of(pool).pid == pid


def test_a_document_nested_too_deeply_is_refused(pool):
    document: dict = {"@context": W3C, "urn:p": "x"}
    nested: object = "x"
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(ResourceLimitError):
        pool.canonicalize({**document, "urn:q": nested})


def test_poison_ends_within_its_cpu_time_while_others_go_on():
    document, _ = unsecured("credential.vc11")
    expected = canonical_nquads(document)
    with WorkerPool(size=2, limits=POISON) as pool, ThreadPoolExecutor(1) as thread:
        poisoned = thread.submit(pool.canonicalize, clique(8))
        assert [pool.canonicalize(document) for _ in range(20)] == [expected] * 20
        with pytest.raises(ResourceLimitError, match="time or memory"):
            poisoned.result()
        assert pool.canonicalize(document) == expected


@pytest.mark.parametrize("limits", [WorkerLimits(), POISON])
def test_the_poison_graph_of_the_w3c_ends_by_either_limit(limits):
    poison = shared("vectors/rdf-canon/rdfc10/test074-in.nq").read_text()
    document = {"@context": W3C, "@graph": jsonld.from_rdf(poison)}
    with WorkerPool(size=1, limits=limits) as pool, pytest.raises(ResourceLimitError):
        pool.canonicalize(document)


def test_elapsed_time_is_limited_too():
    limits = WorkerLimits(cpu_s=30, wall_factor=0.01, max_steps=10**15)
    with WorkerPool(size=1, limits=limits) as pool, pytest.raises(ResourceLimitError):
        pool.canonicalize(clique(9))


def test_memory_is_limited():
    document = {"@context": W3C, "urn:p": [f"{number:0200}" for number in range(50_000)]}
    limits = WorkerLimits(memory_bytes=100 * 1024 * 1024, cpu_s=10)
    with WorkerPool(size=1, limits=limits) as pool, pytest.raises(ResourceLimitError):
        pool.canonicalize(document)


def test_a_larger_document_gets_a_larger_share():
    document = {"@context": W3C, "urn:p": [f"{number:050}" for number in range(15_000)]}
    with WorkerPool(size=1, limits=WorkerLimits(max_quads=10_000)) as pool:
        assert pool.canonicalize(document).count(b"\n") == 15_000
        with pytest.raises(ResourceLimitError):
            pool.canonicalize({"@context": W3C, "urn:p": [str(number) for number in range(15_000)]})


@pytest.mark.parametrize("killer", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_died_while_idle_is_replaced_before_the_next_document(pool, killer):
    document, _ = unsecured("status-list.vc11")
    expected = pool.canonicalize(document)
    victim = worker_of(pool).pid
    os.kill(victim, killer)
    assert gone(victim)
    assert pool.canonicalize(document) == expected
    assert worker_of(pool).pid != victim


def test_a_worker_that_crashes_at_work_is_reported_and_replaced():
    document, _ = unsecured("status-list.vc11")
    limits = WorkerLimits(cpu_s=30, max_steps=10**15)
    with WorkerPool(size=1, limits=limits) as pool, ThreadPoolExecutor(1) as thread:
        pool.canonicalize(document)
        victim = worker_of(pool).pid
        poisoned = thread.submit(pool.canonicalize, clique(9))
        wait_until_busy(pool)
        os.kill(victim, signal.SIGSEGV)
        with pytest.raises(ResourceLimitError):
            poisoned.result()
        assert pool.canonicalize(document)


def test_a_worker_is_replaced_after_its_share_of_documents():
    document, _ = unsecured("status-list.vc11")
    with WorkerPool(size=1, limits=WorkerLimits(documents=2)) as pool:
        pool.canonicalize(document)
        first = worker_of(pool).pid
        pool.canonicalize(document)
        assert gone(first)
        assert pool.canonicalize(document)


def test_more_callers_than_may_wait_are_turned_away():
    limits = WorkerLimits(cpu_s=0.6, max_steps=10**15, waiting=0)
    with WorkerPool(size=1, limits=limits) as pool, ThreadPoolExecutor(1) as thread:
        poisoned = thread.submit(pool.canonicalize, clique(9))
        wait_until_busy(pool)
        with pytest.raises(OverloadedError) as told:
            pool.canonicalize(example("status-list.vc11"))
        assert told.value.status == 503
        with pytest.raises(ResourceLimitError):
            poisoned.result()


def test_a_caller_does_not_wait_for_ever():
    limits = WorkerLimits(cpu_s=0.6, max_steps=10**15, wait_s=0.05)
    with WorkerPool(size=1, limits=limits) as pool, ThreadPoolExecutor(1) as thread:
        poisoned = thread.submit(pool.canonicalize, clique(9))
        wait_until_busy(pool)
        with pytest.raises(OverloadedError):
            pool.canonicalize(example("status-list.vc11"))
        with pytest.raises(ResourceLimitError):
            poisoned.result()


def test_a_worker_that_does_not_start_says_nothing_about_the_document():
    with WorkerPool(size=1, limits=WorkerLimits(start_s=0.001)) as pool, pytest.raises(OverloadedError):
        pool.canonicalize(example("status-list.vc11"))


def test_closing_ends_every_worker():
    document, _ = unsecured("presentation.vc11")
    pool = WorkerPool(size=3)
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(pool.canonicalize, [document] * 9))
    workers = [pool._slots.get() for _ in range(3)]
    for worker in workers:
        pool._slots.put(worker)
    pool.close()
    assert all(gone(worker.pid) for worker in workers if worker)


def test_a_worker_can_open_neither_files_nor_sockets(pool):
    pool.canonicalize(unsecured("status-list.vc11")[0])
    pid = worker_of(pool).pid
    limits = {line[:26].strip(): line[26:].split()[0] for line in Path(f"/proc/{pid}/limits").read_text().splitlines()}
    assert limits["Max open files"] == "3"
    assert limits["Max file size"] == "0"
    assert limits["Max core file size"] == "0"
    assert sorted(path.name for path in Path(f"/proc/{pid}/fd").iterdir()) == ["0", "1", "2"]


def test_a_worker_does_not_see_the_environment(monkeypatch):
    monkeypatch.setenv("GREEN_SECRET", "password")
    with WorkerPool(size=1) as pool:
        pool.canonicalize(unsecured("status-list.vc11")[0])
        assert b"GREEN_SECRET" not in Path(f"/proc/{worker_of(pool).pid}/environ").read_bytes()


@pytest.mark.parametrize("busy", [False, True])
def test_no_worker_outlives_its_parent(busy):
    program = (
        "import os, signal, sys, threading, time\n"
        "from tests.fakes.documents import clique, unsecured\n"
        "from verifier.rdf.worker import WorkerLimits, WorkerPool\n"
        "pool = WorkerPool(size=1, limits=WorkerLimits(cpu_s=1, max_steps=10**15))\n"
        "pool.canonicalize(unsecured('status-list.vc11')[0])\n"
        "worker = pool._slots.get(); pool._slots.put(worker)\n"
        f"if {busy}: threading.Thread(target=pool.canonicalize, args=(clique(9),), daemon=True).start(); time.sleep(0.1)\n"
        "print(worker.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, check=False)
    assert gone(int(parent.stdout))
