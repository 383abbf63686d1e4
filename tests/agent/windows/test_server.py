"""The daemon's socket among workloads that flood it: nobody is starved by another's mere number."""

import json
import logging

from tests.agent.windows.serving import serving
from tests.fakes.eventually import eventually

LIMIT = 40


def held(workload, prefix):
    """Start work until it is refused, and return how much was taken and the refusal."""
    for number in range(LIMIT + 1):
        reply = workload.start(f"{prefix}-{number}")
        if not reply["ok"]:
            return number, reply
    raise AssertionError("never refused")


def test_one_connection_cannot_hold_all_places_and_is_told_why(tmp_path):
    with serving(tmp_path, max_running=LIMIT) as (connect, _):
        greedy, honest = connect(), connect()
        count, reply = held(greedy, "greedy")

        assert count == LIMIT // 2
        assert "of 40 this connection holds 20, and 20 are left for others; end some" in reply["detail"]
        assert honest.start("honest")["ok"]
        # What it ends, it may start again.
        assert greedy.ask(op="stop", id="greedy-0")["ok"]
        assert greedy.ask(op="discard", id="greedy-1")["ok"]
        assert greedy.start("again")["ok"]


def test_the_connections_of_one_user_together_leave_places(tmp_path):
    with serving(tmp_path, max_running=LIMIT) as (connect, ledger):
        for number in range(8):
            held(connect(), f"greedy-{number}")

        assert ledger.running == LIMIT * 9 // 10


def test_each_connection_has_places_of_its_own_when_others_took_all_that_they_could(tmp_path):
    with serving(tmp_path, max_running=LIMIT, max_connections=10) as (connect, _):
        honest = [connect() for _ in range(2)]
        assert all(one.ask(op="status")["ok"] for one in honest)
        for number in range(3):
            held(connect(), f"greedy-{number}")

        assert [held(one, f"honest-{number}")[0] for number, one in enumerate(honest)] == [2, 2]


def test_the_places_of_a_workload_that_is_gone_are_free_again(tmp_path):
    with serving(tmp_path, max_running=LIMIT) as (connect, ledger):
        for number in range(3):
            gone = connect()
            assert held(gone, f"gone-{number}")[0] == LIMIT // 2
            gone.close()
            assert eventually(lambda: ledger.running == 0)


def test_a_request_is_answered_before_the_hundredth_that_another_sent_earlier(tmp_path):
    with serving(tmp_path) as (connect, ledger):
        flood, honest = connect(), connect()
        assert honest.ask(op="status")["ok"]
        ledger.open.clear()
        flood.send(*({"op": "start", "model_id": "m", "inference_id": f"flood-{number}"} for number in range(100)))
        assert ledger.entered.wait(10)
        honest.send({"op": "start", "model_id": "m", "inference_id": "honest"})
        ledger.open.set()

        assert honest.answer()["ok"]
        assert all(flood.answer()["ok"] for _ in range(100))
        assert ledger.order.index("honest") <= 2
        # Its own order stays.
        assert [name for name in ledger.order if name != "honest"] == [f"flood-{number}" for number in range(100)]


def test_no_more_is_read_from_who_has_requests_waiting(tmp_path):
    # As long as a line may be: many stand in each piece that could be read.
    request = {"v": 1, "op": "start", "model_id": "m", "inference_id": "a"}
    padded = json.dumps(request).encode().ljust(4000) + b"\n"
    with serving(tmp_path) as (connect, ledger):
        connect().peer.sendall(padded * 1000)
        waiting = 1000 - len(ledger.order)

    # All is sent, so what waits is one piece that was read, and what the kernel keeps.
    assert waiting < 200


def test_one_process_cannot_take_all_connections_and_the_log_names_it_once(tmp_path, caplog):
    with caplog.at_level(logging.WARNING), serving(tmp_path, max_connections=8) as (connect, _):
        kept = [connect() for _ in range(4)]
        assert all(one.ask(op="status")["ok"] for one in kept)
        turned_away = [connect() for _ in range(3)]
        assert all(one.answers.read() == b"" for one in turned_away)
        kept[0].close()
        assert eventually(lambda: _answers(connect()))

    told = [one for one in caplog.records if "turned away" in one.message]
    assert len(told) == 1
    assert told[0].peer_uid >= 0
    assert told[0].peer_pid > 0


def _answers(workload):
    try:
        return workload.ask(op="status")["ok"]
    except (OSError, ValueError):
        return False


def test_the_log_names_a_connection_that_is_refused_once(tmp_path, caplog):
    with caplog.at_level(logging.WARNING), serving(tmp_path, max_running=4) as (connect, _):
        greedy = connect()
        held(greedy, "greedy")
        assert not greedy.start("one-more")["ok"]

    (told,) = [one for one in caplog.records if "runs too much" in one.message]
    assert told.peer_pid > 0
    assert "of 4 this connection holds 2" in told.reason
