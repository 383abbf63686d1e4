"""A log of steps never holds up its engine, and the daemon gets what fits."""

import logging
import time

import pytest

from agent.integrations.step_log import StepLog, inference_id
from agent.windows.ledger_window import check_names
from tests.agent.windows.serving import SOCKET, serving
from tests.fakes.agent import HandClock, S
from tests.fakes.eventually import eventually

NOW = 1000 * S


@pytest.fixture
def started():
    """Start logs that are closed at the end."""
    logs = []

    def start(path, **options):
        logs.append(StepLog(path, "m", clock=HandClock(), **options))
        return logs[-1]

    yield start
    for one in logs:
        one.close()


def steps_of(ledger):
    return [step for engine in list(ledger.engines._engines) for step in list(engine.steps)]


def test_requests_and_steps_come_to_the_daemon_in_order(tmp_path, started):
    with serving(tmp_path) as (_, ledger):
        log = started(tmp_path / SOCKET)
        log.begin("a", "did:web:t.example")
        log.step(NOW - 40, NOW - 20, [("a", 512, 0, "prefill")])
        log.step(NOW - 20, NOW, [("a", 1, 512, "decode")])
        log.end("a", 512, 2)

        assert eventually(lambda: getattr(ledger.engines._requests.get("a"), "ended_ns", None))
        request = ledger.engines._requests["a"]
        assert (request.counts.input_tokens, request.counts.output_tokens, request.model_id) == (512, 2, "m")
        assert request.tenant_id == "did:web:t.example"
        assert [tuple(step.requests["a"]) for step in steps_of(ledger)] == [(512, 0, "prefill"), (1, 512, "decode")]


def test_a_thousand_requests_in_many_steps_fit_into_lines(tmp_path, started):
    with serving(tmp_path) as (_, ledger):
        log = started(tmp_path / SOCKET)
        parts = [(f"request-{number}", 1, 9999, "decode") for number in range(800)]
        for at in range(1, 31):
            log.step(NOW - at * 20, NOW - at * 20 + 20, parts)

        assert eventually(lambda: len(steps_of(ledger)) == 30)
        assert all(len(step.requests) == 800 for step in steps_of(ledger))


def test_without_a_daemon_nothing_waits_and_it_is_told_once(tmp_path, started, caplog):
    with caplog.at_level(logging.WARNING):
        log = started(tmp_path / "nobody")
        begun = time.perf_counter()
        for at in range(1000):
            log.step(NOW + at, NOW + at + 1, [("a", 1, 1, "decode")])
        spent_s = time.perf_counter() - begun
        assert eventually(lambda: log.dropped == 1000)
        log.step(NOW, NOW + 1, [("a", 1, 1, "decode")])
        assert eventually(lambda: log.dropped == 1001)

    # A thousand waits of the shortest kind, 50 ms, would be fifty seconds.
    assert spent_s < 10
    assert len([one for one in caplog.records if "no daemon takes" in one.message]) == 1


def test_more_than_fits_is_dropped_and_the_daemon_is_told_how_much(tmp_path, started):
    with serving(tmp_path) as (_, ledger):
        log = started(tmp_path / SOCKET, max_waiting=10)
        dropped = 0
        while not dropped:
            for at in range(200):
                log.step(NOW - 20 - at, NOW - at, [("a", 1, 1, "decode")])
            dropped = log.dropped

        assert eventually(lambda: [engine.dropped for engine in list(ledger.engines._engines)] == [log.dropped])


def test_a_daemon_that_comes_later_is_found_and_earlier_requests_are_strangers(tmp_path, started):
    log = started(tmp_path / SOCKET)
    log.begin("early")
    assert eventually(lambda: not log._waiting)
    with serving(tmp_path) as (_, ledger):

        def told():
            log.step(NOW - 20, NOW, [("early", 1, 5, "decode")])
            return steps_of(ledger)

        assert eventually(told)
        assert set(steps_of(ledger)[0].requests) == {"?0"}
        log.end("early", 1, 1)
        log.begin("late")
        assert eventually(lambda: set(ledger.engines._requests) == {"late"})


def test_closing_sends_what_waits(tmp_path):
    with serving(tmp_path) as (_, ledger):
        log = StepLog(tmp_path / SOCKET, "m", clock=HandClock())
        log.begin("a")
        log.close()

        assert eventually(lambda: "a" in ledger.engines._requests)


@pytest.mark.parametrize(
    "request_id", ["a", "chatcmpl-0f-9", "with space", "é", "x" * 500, "", "a~1", "\udc00", "cmpl/1?x"]
)
def test_whatever_a_request_is_called_a_record_can_carry_it(request_id):
    check_names("m", inference_id(request_id))


def test_names_that_are_changed_stay_apart():
    assert inference_id("a b") != inference_id("a/b")
    assert inference_id("x" * 500) != inference_id("x" * 501)
