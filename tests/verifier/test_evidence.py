"""Evidence: what was gathered, failures included, and how a report lists it."""

from schemas import digests
from tests.fakes.verifier import RETRIEVED, fetched
from verifier.errors import FetchFailedError
from verifier.evidence import NOTHING, Evidence, absent

URL = "https://oracle.example/status/revocation/7"


def test_a_fetch_is_listed_with_its_digest_and_time():
    (used,) = Evidence(status_lists={URL: fetched(URL, b"{}")}).used({URL, "a", "b"})
    assert (used.url, used.digest, used.retrieved_at) == (URL, digests.digest(b"{}"), RETRIEVED)


def test_a_failed_fetch_is_listed_with_its_reason():
    entry = absent(URL, FetchFailedError("no answer"), origin="network", retrieved_at=RETRIEVED)
    (used,) = Evidence(status_lists={URL: entry}).used({URL, "a", "b"})
    assert (used.digest, used.problem, used.detail) == (None, "FETCH_FAILED", "no answer")


def test_what_is_there_already_is_not_replaced_by_what_is_joined():
    first, second = fetched(URL, b"1"), fetched(URL, b"2")
    assert Evidence(status_lists={URL: first}).joined(Evidence(status_lists={URL: second})).status_lists[URL] is first
    assert NOTHING.joined(Evidence(attachments={"x": second})).attachments["x"] is second


def test_the_order_of_entries_does_not_depend_on_how_they_came():
    a, b = fetched("a", b"1"), fetched("b", b"2")
    assert Evidence(attachments={"a": a, "b": b}).used({URL, "a", "b"}) == Evidence(attachments={"b": b, "a": a}).used(
        {URL, "a", "b"}
    )


def test_what_the_document_does_not_name_had_no_part():
    assert Evidence(attachments={"a": fetched("a", b"1"), "other": fetched("o", b"2")}).used({"a"})[0].url == "a"
