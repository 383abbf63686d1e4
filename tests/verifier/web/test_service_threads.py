"""The service while documents are judged that take long: everything else goes on."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from litestar.testing import TestClient

from tests.fakes.verifier import ENGINE, ENGINES, FixedClock, MemoryFetcher, World, presentation
from verifier import document
from verifier.case import Engines
from verifier.http.limits import Room
from verifier.http.threads import Threads
from verifier.policy import Policy
from verifier.settings import Settings
from verifier.status_lists.known import InMemoryKnownLists
from verifier.web.app import create_app
from verifier.web.challenges import Challenges
from verifier.web.service import Service

WORLD = World()
GOOD = WORLD.credential()


class Held:
    """An engine that works on nothing until it is told to; ``begun`` counts the documents that have come to it."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.released = threading.Event()

    def canonicalize(self, value):
        self.begun.release()
        assert self.released.wait(60)
        return ENGINE.canonicalize(value)


@pytest.fixture
def busy():
    """Yield a service with 40 places, in each of which a document is being judged."""
    held, places = Held(), 40
    application = create_app(
        Settings(concurrent_verifications=places, queue_timeout_s=0.05, rate_per_minute=0),
        fetcher=MemoryFetcher(WORLD.served()),
        engines=Engines(held, held),
        clock=FixedClock(),
    )
    with ThreadPoolExecutor(places) as threads, TestClient(application, raise_server_exceptions=False) as client:
        waiting = [threads.submit(client.post, "/credentials/verify", json=body(GOOD)) for _ in range(places)]
        try:
            assert all(held.begun.acquire(timeout=30) for _ in range(places))
            yield client
        finally:
            held.released.set()
            assert [answer.result().status_code for answer in waiting] == [200] * places


def body(value):
    return {"verifiableCredential": value}


def test_challenges_are_given_out_while_every_place_is_taken_by_a_slow_document(busy):
    assert busy.post("/challenges", json={}).status_code == 201
    assert busy.get("/healthz").status_code == 200


def test_another_document_is_told_to_come_back(busy):
    for path, sent in (
        ("/credentials/verify", body(GOOD)),
        ("/presentations/verify", {"verifiablePresentation": presentation(GOOD)}),
    ):
        answer = busy.post(path, json=sent)
        assert (answer.status_code, bool(answer.headers["retry-after"])) == (503, True)


def test_large_documents_are_still_parsed(busy):
    answer = busy.post("/credentials/verify", json=body({"too": ["many values"] * 20_000}))
    assert answer.status_code == 413


# --- which work is done where --------------------------------------------------------------------------------


def service():
    threads = {kind: Threads(1, name=kind, queue_timeout_s=30) for kind in ("judging", "parsing", "issuing")}
    return Service(
        settings=Settings(),
        policy=Policy(),
        fetcher=MemoryFetcher(WORLD.served()),
        known=InMemoryKnownLists(),
        challenges=Challenges(),
        engines=ENGINES,
        clock=FixedClock(),
        gathering=asyncio.Semaphore(1),
        bodies=Room(1),
        documents=Room(1),
        **threads,
    )


def here(_):
    return threading.current_thread().name.partition("_")[0]


async def test_a_verdict_is_made_and_written_in_a_thread_for_that():
    parsed = document.parse(json.dumps(GOOD).encode())
    assert await service().verify(parsed, Policy(), write=here) == "judging"


async def test_only_small_bodies_are_parsed_on_the_event_loop():
    assert [await service().parsed(b" " * size, here) for size in (8_000, 100_000)] == ["MainThread", "parsing"]
