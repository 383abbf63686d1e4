import json
import os

import pytest

from agent.errors import NoAnswerError
from agent.retry import Answer
from agent.windows.nonces import (
    ASK_EVERY_S,
    GOOD_FOR_US,
    MAX_KEPT,
    SOON_STALE_US,
    NonceRequests,
    NonceStore,
    nonces_in,
)
from agent.windows.sign import SoftwareWindowSigner
from did.errors import SignerError
from schemas import base64url
from tests.fakes.agent import HandClock, new_signer


def new():
    return base64url.encode(os.urandom(32))


def test_a_nonce_is_given_once_also_over_a_start(tmp_path):
    clock, nonces = HandClock(), [new(), new()]
    store = NonceStore(tmp_path / "nonces", clock)
    store.add(nonces)
    given = {store.take(), NonceStore(tmp_path / "nonces", clock).take()}

    assert given == set(nonces)
    assert NonceStore(tmp_path / "nonces", clock).take() is None


def test_a_nonce_that_would_be_too_old_on_arrival_is_not_used(tmp_path):
    clock = HandClock()
    store = NonceStore(tmp_path / "nonces", clock)
    store.add([new()])
    clock.advance(GOOD_FOR_US / 1e6)

    assert store.take() is None


def test_what_is_no_nonce_is_left_out_and_the_store_is_bounded(tmp_path):
    store = NonceStore(tmp_path / "nonces", HandClock())
    store.add(["x", "", *(new() for _ in range(100))])

    assert len(store.good()) == MAX_KEPT


def test_a_damaged_file_holds_none(tmp_path):
    (tmp_path / "nonces").write_bytes(b"[{")

    assert NonceStore(tmp_path / "nonces", HandClock()).take() is None


def test_without_room_to_forget_it_a_nonce_is_not_used(tmp_path):
    store = NonceStore(tmp_path / "nonces", HandClock())
    store.add([new()])
    store._path = tmp_path / "away" / "nonces"

    assert store.take() is None


def test_nonces_in_an_answer_are_texts_in_a_list_or_none():
    assert nonces_in(b'{"nonces":["a",1,"b"]}') == ["a", "b"]
    assert nonces_in(b'{"nonces":"a"}') == nonces_in(b"[]") == nonces_in(b"no") == []


class Asked:
    """A transport that answers what it is told, and remembers the requests."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def post(self, path, body, *, timeout_s, headers=None):
        self.requests.append((path, body, timeout_s))
        given = self.answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    def close(self):
        """Do nothing."""


def given(*nonces):
    return Answer(201, {}, json.dumps({"nonces": nonces}).encode())


def requests_of(tmp_path, clock):
    store = NonceStore(tmp_path / "nonces", clock)
    signer = SoftwareWindowSigner(new_signer(), "node-7", 1)
    return store, NonceRequests(store, clock, signer.nonce_request)


def test_where_there_are_none_the_issuer_is_asked_once_and_the_answer_is_kept(tmp_path):
    clock, nonce = HandClock(), new()
    store, requests = requests_of(tmp_path, clock)
    asked = Asked(given(nonce))
    for _ in range(3):
        requests.top_up(asked, 5.0)

    ((path, body, timeout_s),) = asked.requests
    assert (path, timeout_s) == ("/api/v1/nonces", 5.0)
    assert json.loads(body).keys() == {"node_id", "timestamp", "signature"}
    assert store.take() == nonce


def test_nonces_that_are_stale_soon_are_no_reason_not_to_ask(tmp_path):
    clock = HandClock()
    store, requests = requests_of(tmp_path, clock)
    store.add([new()])
    clock.advance(SOON_STALE_US / 1e6)
    asked = Asked(given(new()))
    requests.top_up(asked, 5.0)

    assert len(asked.requests) == 1
    assert len(store.good()) == 2


@pytest.mark.parametrize(
    "answer", [NoAnswerError("away"), Answer(503, {}, b""), Answer(201, {}, b"<html>"), given(), given("no nonce")]
)
def test_an_issuer_that_gives_none_is_left_alone_for_a_while_and_nothing_is_raised(tmp_path, answer):
    clock = HandClock()
    store, requests = requests_of(tmp_path, clock)
    asked = Asked(answer, given(new()))
    requests.top_up(asked, 5.0)
    clock.advance(ASK_EVERY_S - 1)
    requests.top_up(asked, 5.0)
    assert (len(asked.requests), store.good()) == (1, [])
    clock.advance(2)
    requests.top_up(asked, 5.0)
    assert len(store.good()) == 1


def test_a_key_that_is_away_asks_nothing(tmp_path):
    def away(_):
        raise SignerError("the key is away")

    requests = NonceRequests(NonceStore(tmp_path / "nonces", HandClock()), HandClock(), away)
    asked = Asked()
    requests.top_up(asked, 5.0)
    assert asked.requests == []
