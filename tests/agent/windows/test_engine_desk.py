"""What engines say on the daemon's socket: read strictly, answered where asked, and bounded."""

import json

import pytest

from agent.windows.engine_protocol import MAX_ENGINE_LINE_BYTES, Begin, StepLine, Steps, message_line, read_message
from agent.windows.protocol import MAX_LINE_BYTES
from schemas.errors import ParsingError
from tests.agent.windows.serving import serving
from tests.fakes.agent import S
from tests.fakes.eventually import eventually


def engine(connect):
    one = connect()
    assert one.ask(op="engine")["ok"]
    return one


def say(one, **message):
    one.peer.sendall(json.dumps(message).encode() + b"\n")


def ask(one, **message):
    say(one, n=1, **message)
    return one.answer()


def requests(ledger):
    return ledger.engines._requests


def test_a_request_begins_steps_and_ends(tmp_path):
    with serving(tmp_path) as (connect, ledger):
        one = engine(connect)
        assert ask(one, op="begin", r=7, id="a", model="m", tenant="did:web:t.example")["id"] == "a"
        now = 1000 * S
        assert ask(one, op="steps", s=[[now - 20_000_000, now, [[7, 1, 90, 1], [9, 5, 0, 0]]]])["ok"]
        (step,) = next(iter(ledger.engines._engines)).steps
        assert {name: tuple(part) for name, part in step.requests.items()} == {
            "a": (1, 90, "decode"),
            "?9": (5, 0, "prefill"),
        }
        assert ask(one, op="end", r=7, input=5, output=9)["id"] == "a"
        request = requests(ledger)["a"]
        assert (request.counts.input_tokens, request.counts.output_tokens, request.tenant_id) == (
            5,
            9,
            "did:web:t.example",
        )
        assert not ask(one, op="end", r=7)["ok"]


def test_without_an_id_the_daemon_gives_one(tmp_path):
    with serving(tmp_path) as (connect, _):
        assert ask(engine(connect), op="begin", r=0, model="m")["id"] == "made"


def test_only_what_is_asked_is_answered_and_refusals_always(tmp_path):
    with serving(tmp_path) as (connect, ledger):
        one = engine(connect)
        say(one, op="begin", r=1, id="a", model="m")
        say(one, op="begin", r=1, id="b", model="m")
        reply = one.answer()

        assert (reply["ok"], "is open on this connection" in reply["detail"]) == (False, True)
        assert set(requests(ledger)) == {"a"}


def test_a_connection_that_ends_ends_its_requests(tmp_path):
    with serving(tmp_path) as (connect, ledger):
        one = engine(connect)
        ask(one, op="begin", r=1, id="a", model="m")
        one.close()

        assert eventually(lambda: requests(ledger)["a"].ended_ns is not None)
        assert ledger.engines._connected == set()


@pytest.mark.parametrize(
    "text",
    [
        b'{"op":"begin","r":1}',
        b'{"op":"begin","r":-1,"model":"m"}',
        b'{"op":"begin","r":1,"model":"m","more":1}',
        b'{"op":"begin","r":1.0,"model":"m"}',
        b'{"op":"steps","s":[[1,2]]}',
        b'{"op":"steps","s":[[1,2,[[1,1,1,2]]]]}',
        b'{"op":"steps","s":[[1,2,[[1,1,-1,0]]]]}',
        b'{"op":"steps","s":[[1,2,[[1,1,1]]]]}',
        b'{"op":"steps","s":[[1,2,[[1,1,1,0]],3]]}',
        b'{"op":"stop","r":1}',
        b'{"v":1,"op":"start","model_id":"m"}',
        b"[]",
        b"\xff",
        b"[" * 10_000,
    ],
)
def test_what_is_no_message_is_refused(text):
    with pytest.raises(ParsingError):
        read_message(text)


def test_a_message_is_read_as_it_was_sent():
    for message in (Begin(r=1, model="m", id="a", t=5), Steps(s=[StepLine(1, 2, [(1, 2, 3, 1)])], dropped=4)):
        assert read_message(message_line(message).rstrip()) == message


def test_what_cannot_be_read_ends_the_connection(tmp_path):
    with serving(tmp_path) as (connect, _):
        one = engine(connect)
        say(one, op="nonsense")

        assert one.answer()["problem"] == "PARSING_ERROR"
        assert one.answers.read() == b""


def test_an_engines_line_may_be_long_and_other_lines_may_not(tmp_path):
    parts = [[number, 1, 1000, 1] for number in range(1000)]
    long = json.dumps({"op": "steps", "n": 1, "s": [[1, 2, parts]]}).encode()
    assert MAX_LINE_BYTES < len(long) < MAX_ENGINE_LINE_BYTES
    with serving(tmp_path) as (connect, _):
        one, workload = engine(connect), connect()
        one.peer.sendall(long + b"\n")
        assert one.answer()["ok"]
        one.peer.sendall(b"[" * (MAX_ENGINE_LINE_BYTES + 2) + b"\n")
        assert "at most 65536 bytes" in one.answer()["detail"]
        workload.peer.sendall(long + b"\n")
        assert "at most 4096 bytes" in workload.answer()["detail"]


def test_one_engine_cannot_hold_all_places(tmp_path):
    with serving(tmp_path, max_open=20, max_connections=4) as (connect, _):
        greedy, honest = engine(connect), engine(connect)
        replies = [ask(greedy, op="begin", r=number, id=f"g{number}", model="m") for number in range(20)]
        taken = sum(reply["ok"] for reply in replies)

        assert taken <= 12
        assert "counted for nobody" in replies[-1]["detail"]
        assert ask(honest, op="begin", r=1, id="h", model="m")["ok"]
        assert ask(greedy, op="end", r=0)["ok"]
        assert ask(greedy, op="begin", r=99, id="again", model="m")["ok"]


def test_a_connection_with_work_is_no_engines(tmp_path):
    with serving(tmp_path) as (connect, _):
        workload = connect()
        assert workload.start("a")["ok"]

        assert "takes one of its own" in workload.ask(op="engine")["detail"]
        assert workload.ask(op="stop", id="a")["ok"]


def test_work_and_engines_share_their_names(tmp_path):
    with serving(tmp_path) as (connect, _):
        one, workload = engine(connect), connect()
        assert workload.start("a")["ok"]

        assert "was started before" in ask(one, op="begin", r=1, id="a", model="m")["detail"]
