"""The caching fetcher: one request for many who ask, honest about age, bounded, and no patience with dead hosts."""

import asyncio

import pytest

from schemas import digests
from tests.fakes.verifier import ORIGIN, RETRIEVED, MemoryFetcher, World
from verifier import caching, document, gather
from verifier.caching import CachingFetcher
from verifier.errors import FetchFailedError, HostUnreachableError
from verifier.evidence import NOTHING, absent
from verifier.fetch import EgressClient
from verifier.report import Outcome

URL = f"{ORIGIN}/status/revocation/7"
JSON = ("application/json",)


class Clock:
    """A monotonic clock that moves when it is told to."""

    def __init__(self):
        self.s = 0.0

    def __call__(self):
        return self.s


class Held(MemoryFetcher):
    """A fetcher that answers when it is let go."""

    def __init__(self, documents):
        super().__init__(documents)
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def fetch(self, url, accept):
        self.begun.set()
        await self.go.wait()
        return await super().fetch(url, accept)


class Dead(MemoryFetcher):
    """A fetcher to whom no host answers."""

    async def fetch(self, url, accept):
        self.asked.append(url)
        return absent(url, HostUnreachableError("no connection"), origin="network", retrieved_at=RETRIEVED)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def inner():
    return MemoryFetcher({URL: b"list", f"{ORIGIN}/a": b"aaaa", f"{ORIGIN}/b": b"bbbb"})


async def test_what_was_fetched_moments_ago_is_not_fetched_again(inner, clock):
    fetcher = CachingFetcher(inner, monotonic=clock)
    first, second = await fetcher.fetch(URL, JSON), await fetcher.fetch(URL, JSON)
    assert inner.asked == [URL]
    assert (first.origin, second.origin) == ("network", "cache")
    assert (second.body, second.retrieved_at, second.url) == (first.body, RETRIEVED, URL)


async def test_after_its_time_it_is_fetched_again(inner, clock):
    fetcher = CachingFetcher(inner, keep_s=60, monotonic=clock)
    await fetcher.fetch(URL, JSON)
    clock.s = 59.9
    await fetcher.fetch(URL, JSON)
    assert len(inner.asked) == 1
    clock.s = 60
    assert (await fetcher.fetch(URL, JSON)).origin == "network"
    assert len(inner.asked) == 2


async def test_being_used_does_not_make_it_last_longer(inner, clock):
    fetcher = CachingFetcher(inner, keep_s=60, monotonic=clock)
    for clock.s in range(0, 80, 20):
        await fetcher.fetch(URL, JSON)
    assert len(inner.asked) == 2


async def test_another_media_type_is_another_question(inner, clock):
    fetcher = CachingFetcher(inner, monotonic=clock)
    await fetcher.fetch(URL, JSON)
    await fetcher.fetch(URL, ("application/did+json",))
    assert len(inner.asked) == 2


async def test_a_failure_is_kept_for_seconds_only(inner, clock):
    fetcher = CachingFetcher(inner, keep_s=60, monotonic=clock)
    for _ in range(3):
        found = await fetcher.fetch(f"{ORIGIN}/missing", JSON)
    assert (found.problem, found.retrieved_at) == ("FETCH_FAILED", RETRIEVED)
    assert len(inner.asked) == 1
    clock.s = 5
    await fetcher.fetch(f"{ORIGIN}/missing", JSON)
    assert len(inner.asked) == 2


async def test_without_a_time_nothing_is_kept_not_even_failures(clock):
    inner = Dead({})
    fetcher = CachingFetcher(inner, keep_s=0, monotonic=clock)
    for _ in range(2):
        assert (await fetcher.fetch(URL, JSON)).origin == "network"
    assert len(inner.asked) == 2


# --- one flight for many -------------------------------------------------------------------------------------


async def test_many_who_ask_at_once_share_one_fetch(clock):
    inner = Held({URL: b"list"})
    fetcher = CachingFetcher(inner, monotonic=clock)
    asking = [asyncio.create_task(fetcher.fetch(URL, JSON)) for _ in range(100)]
    await inner.begun.wait()
    inner.go.set()
    answers = await asyncio.gather(*asking)
    assert inner.asked == [URL]
    assert {(answer.body, answer.origin) for answer in answers} == {(b"list", "network")}


async def test_one_who_gives_up_does_not_end_it_for_the_others(clock):
    inner = Held({URL: b"list"})
    fetcher = CachingFetcher(inner, monotonic=clock)
    first, second = (asyncio.create_task(fetcher.fetch(URL, JSON)) for _ in range(2))
    await inner.begun.wait()
    first.cancel()
    inner.go.set()
    assert (await second).body == b"list"
    assert first.cancelled()


async def test_when_all_have_given_up_the_answer_serves_those_who_come_later(clock):
    inner = Held({URL: b"list"})
    fetcher = CachingFetcher(inner, monotonic=clock)
    only = asyncio.create_task(fetcher.fetch(URL, JSON))
    await inner.begun.wait()
    only.cancel()
    inner.go.set()
    await asyncio.gather(only, return_exceptions=True)
    assert (await fetcher.fetch(URL, JSON)).body == b"list"
    assert inner.asked == [URL]


async def test_a_fetcher_that_breaks_leaves_nothing_behind(clock):
    class Broken(MemoryFetcher):
        async def fetch(self, url, accept):
            self.asked.append(url)
            raise RuntimeError

    inner = Broken({})
    fetcher = CachingFetcher(inner, monotonic=clock)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            await fetcher.fetch(URL, JSON)
    assert len(inner.asked) == 2


# --- dead hosts ----------------------------------------------------------------------------------------------


async def test_a_host_that_cannot_be_reached_is_not_tried_for_its_other_urls(clock):
    inner = Dead({})
    fetcher = CachingFetcher(inner, monotonic=clock)
    for number in range(1000):
        found = await fetcher.fetch(f"https://dead.example/{number}", JSON)
    assert inner.asked == ["https://dead.example/0"]
    assert (found.problem, found.origin, found.retrieved_at) == ("FETCH_FAILED", "cache", RETRIEVED)
    assert found.url == "https://dead.example/999"
    clock.s = 5
    await fetcher.fetch("https://dead.example/1", JSON)
    assert len(inner.asked) == 2


async def test_other_hosts_and_ports_have_nothing_to_do_with_it(clock):
    inner = Dead({})
    fetcher = CachingFetcher(inner, monotonic=clock)
    for url in ("https://dead.example/", "https://dead.example:8443/", "https://other.example/"):
        await fetcher.fetch(url, JSON)
    assert len(inner.asked) == 3


async def test_a_host_that_answers_404_is_not_dead(inner, clock):
    fetcher = CachingFetcher(inner, monotonic=clock)
    await fetcher.fetch(f"{ORIGIN}/missing", JSON)
    assert (await fetcher.fetch(URL, JSON)).body == b"list"


class Nowhere:
    """A resolver that knows no name."""

    async def resolve(self, host, port):
        raise OSError("no such name")


async def test_the_egress_client_says_when_no_connection_came_about():
    found = await EgressClient(resolver=Nowhere()).fetch("https://dead.example/", JSON)
    assert found.unreachable
    assert not absent(URL, FetchFailedError("status 500"), origin="network").unreachable


# --- bounds --------------------------------------------------------------------------------------------------


async def test_what_was_used_longest_ago_goes_first(inner, clock):
    fetcher = CachingFetcher(inner, max_entries=2, monotonic=clock)
    for url in (f"{ORIGIN}/a", URL, f"{ORIGIN}/a", f"{ORIGIN}/b"):
        await fetcher.fetch(url, JSON)
    assert (await fetcher.fetch(f"{ORIGIN}/a", JSON)).origin == "cache"
    assert (await fetcher.fetch(URL, JSON)).origin == "network"


async def test_bodies_are_bounded_in_sum_and_one_that_is_too_large_is_not_kept(clock):
    inner = MemoryFetcher({f"https://h.example/{number}": bytes([number]) * 10 for number in range(40)})
    inner.documents["https://h.example/large"] = b"x" * 11
    fetcher = CachingFetcher(inner, max_bytes=160, monotonic=clock)
    for url in list(inner.documents):
        await fetcher.fetch(url, JSON)
    again = [(await fetcher.fetch(url, JSON)).origin for url in reversed(inner.documents)]
    assert again[0] == "network"
    assert again.count("cache") == 16


async def test_equal_bodies_are_kept_once(clock):
    inner = MemoryFetcher({f"https://h.example/{number}": b"x" * 10 for number in range(40)})
    fetcher = CachingFetcher(inner, max_bytes=160, monotonic=clock)
    for url in inner.documents:
        await fetcher.fetch(url, JSON)
    assert {(await fetcher.fetch(url, JSON)).origin for url in inner.documents} == {"cache"}


def test_a_body_is_dropped_with_the_last_who_has_it():
    bodies = caching._Bodies()
    digest = bodies.add(b"xx")
    assert bodies.add(bytearray(b"xx")) == digest == digests.digest(b"xx")
    bodies.drop(digest)
    assert (bodies[digest], bodies.size) == (b"xx", 2)
    bodies.drop(digest)
    assert bodies.size == 0


# --- in a verdict --------------------------------------------------------------------------------------------


async def test_a_verdict_on_kept_evidence_says_so_and_counts_the_list_as_fresh(clock):
    world = World()
    fetcher = CachingFetcher(MemoryFetcher(world.served()), monotonic=clock)
    parsed = document.embedded(world.credential())
    for _ in range(2):
        evidence = await gather.gather(parsed, NOTHING, fetcher)
    report = world.report(parsed.value, evidence)
    assert report.outcome is Outcome.VERIFIED
    assert {used.origin for used in report.evidence} == {"cache"}
    assert {used.retrieved_at for used in report.evidence} == {RETRIEVED}
    assert f"at {RETRIEVED}, and kept since" in report.check("issuer-key").findings[0].detail
    assert f"retrieved {RETRIEVED}" in report.check("status").findings[0].detail
