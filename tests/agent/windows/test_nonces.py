import os

from agent.windows.nonces import GOOD_FOR_US, MAX_KEPT, NonceStore
from agent.windows.submit import nonces_in
from schemas import base64url
from tests.fakes.agent import HandClock


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
