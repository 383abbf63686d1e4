import json

import pytest

from agent.contact import ContactBook, read
from agent.errors import NoAnswerError, SpoolBusyError, SpoolError
from agent.record import Labels, signed_record
from agent.retry import Answer
from agent.spool import Spool
from agent.submit import Submitter
from agent.transport import HttpTransport
from tests.fakes.agent import (
    WALL,
    HandClock,
    S,
    ScriptedTransport,
    credential_for,
    inference_ids,
    issue,
    loopback_issuer,
    measurement,
    new_signer,
    problem,
)

SIGNER = new_signer()
DOWN = NoAnswerError("ConnectError: refused")


class Bench:
    """A spool, a submitter with a scripted transport, and a clock that sleeping moves."""

    def __init__(self, home, *answers, transport=None):
        self.clock = HandClock(wall_ns=WALL + 10 * S)
        self.home = home
        self.spool = Spool(home / "spool", self.clock)
        self.transport = transport or ScriptedTransport(*answers)
        self.slept = []
        self.give_up_after = 1000
        self.submitter = Submitter(
            self.spool,
            self.transport,
            self.clock,
            sleep=self.sleep,
            fraction=lambda: 1.0,
            credentials=home / "credentials",
            contacts=ContactBook(home / "contact.json", self.clock),
        )

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.clock.advance(seconds)
        return len(self.slept) >= self.give_up_after

    def enqueue(self, *ids, **changes):
        for inference_id in ids:
            self.clock.advance(0.001)
            self.spool.enqueue(signed_record(measurement(**changes), Labels("node-7", "model", inference_id), SIGNER))

    def posted(self):
        return inference_ids([body for _, body, _ in self.transport.posts])


def test_what_is_issued_leaves_the_spool_and_its_credential_is_kept(tmp_path):
    bench = Bench(tmp_path, issue)
    bench.enqueue("i-1", "i-2")
    sent = bench.submitter.drain()

    assert sent.acknowledged == ["i-1", "i-2"]
    assert (sent.remaining, sent.failure, bench.spool.pending()) == (0, "", [])
    assert (tmp_path / "credentials" / "i-1.json").read_bytes() == credential_for("i-1")


def test_the_record_is_posted_byte_for_byte_as_it_was_spooled(tmp_path):
    bench = Bench(tmp_path, issue)
    bench.enqueue("i-1")
    spooled = bench.spool.load(bench.spool.pending()[0])
    bench.submitter.drain()

    path, body, _ = bench.transport.posts[0]
    assert (path, body) == ("/api/v1/telemetry", spooled)


def test_keeping_credentials_can_be_left_out(tmp_path):
    bench = Bench(tmp_path, issue)
    submitter = Submitter(bench.spool, bench.transport, bench.clock, sleep=bench.sleep, fraction=lambda: 1.0)
    bench.enqueue("i-1")

    assert submitter.drain().acknowledged == ["i-1"]
    assert not (tmp_path / "credentials").exists()


def test_an_issuer_that_is_away_is_tried_again_with_growing_waits(tmp_path):
    bench = Bench(tmp_path, DOWN, problem(503), problem(500), issue)
    bench.enqueue("i-1")
    sent = bench.submitter.drain()

    assert sent.acknowledged == ["i-1"]
    assert bench.slept == [1.0, 2.0, 4.0]


def test_a_success_ends_the_growth_of_the_waits(tmp_path):
    bench = Bench(tmp_path, DOWN, DOWN, issue, DOWN, issue)
    bench.enqueue("i-1", "i-2")
    bench.submitter.drain()

    assert bench.slept == [1.0, 2.0, 1.0]


def test_what_the_issuer_asked_for_is_waited_out(tmp_path):
    bench = Bench(tmp_path, Answer(429, {"retry-after": "30"}, b""), issue)
    bench.enqueue("i-1")
    bench.submitter.drain()

    assert bench.slept == [31.0]


def test_a_refused_record_is_set_aside_with_the_problem_and_the_rest_goes_on(tmp_path):
    bench = Bench(tmp_path, problem(409, "Conflict", "another body"), issue)
    bench.enqueue("i-1", "i-2")
    sent = bench.submitter.drain()

    assert sent.acknowledged == ["i-2"]
    ((name, reason),) = sent.rejected
    assert reason == "409 Conflict: another body"
    assert bench.spool.rejected() == [name]
    assert json.loads(bench.spool.problem(name))["detail"] == "another body"
    assert bench.slept == []


def test_a_record_that_the_issuer_chokes_on_does_not_hold_up_the_others(tmp_path):
    bench = Bench(tmp_path, lambda inference_id: problem(500) if inference_id == "i-1" else issue(inference_id))
    bench.enqueue("i-1", "i-2", "i-3")
    bench.give_up_after = 4
    sent = bench.submitter.drain()

    assert sent.acknowledged == ["i-2", "i-3"]
    assert sent.remaining == 1
    assert sent.failure == "the issuer answered 500"


def test_a_page_of_a_proxy_loses_no_record_and_is_asked_again_with_growing_waits(tmp_path):
    page = Answer(403, {"content-type": "text/html"}, b"<html>forbidden</html>")
    bench = Bench(tmp_path, page, page, issue)
    bench.enqueue("i-1")

    assert bench.submitter.drain().acknowledged == ["i-1"]
    assert bench.slept == [1.0, 2.0]


def test_an_answer_that_is_no_credential_acknowledges_nothing(tmp_path):
    bench = Bench(tmp_path, Answer(200, {}, b"<html>sign in</html>"))
    bench.enqueue("i-1")
    bench.give_up_after = 1

    assert bench.submitter.drain().remaining == 1


def test_time_that_is_up_leaves_the_rest_without_a_last_wait(tmp_path):
    bench = Bench(tmp_path, Answer(503, {"retry-after": "60"}, b""))
    bench.enqueue("i-1", "i-2")
    sent = bench.submitter.drain(within_s=5)

    assert (sent.remaining, bench.slept) == (2, [])
    assert len(bench.transport.posts) == 1


def test_a_request_never_takes_longer_than_the_time_that_is_left(tmp_path):
    bench = Bench(tmp_path, issue)
    bench.enqueue("i-1")
    bench.submitter.drain(within_s=2)

    assert bench.transport.posts[0][2] <= 2


def test_a_record_is_held_until_its_last_second_is_over(tmp_path):
    bench = Bench(tmp_path, issue)
    bench.enqueue("i-1", end_wall_ns=bench.clock.wall_ns() + S // 4)
    bench.submitter.drain()

    (held_s,) = bench.slept
    assert held_s == pytest.approx(0.999)
    assert bench.clock.wall_ns() % S == 0


def test_a_clock_that_stepped_back_holds_nothing_for_long(tmp_path):
    bench = Bench(tmp_path, issue)
    bench.enqueue("i-1", end_wall_ns=bench.clock.wall_ns() + 3600 * S)

    assert bench.submitter.drain().acknowledged == ["i-1"]
    assert bench.slept == []


@pytest.mark.parametrize("torn", [b"", b'{"node_id": "no', b"{}", b"\xff"])
def test_a_record_that_the_disk_damaged_is_set_aside_and_does_not_stop_the_queue(tmp_path, torn):
    bench = Bench(tmp_path, issue)
    bench.spool.enqueue(torn)
    bench.enqueue("i-2")
    sent = bench.submitter.drain()

    assert sent.acknowledged == ["i-2"]
    assert len(bench.spool.rejected()) == 1
    assert bench.posted() == ["i-2"]


class SpoolWithABadSector(Spool):
    """Its oldest record cannot be read."""

    def load(self, name):
        if name == self.pending()[0]:
            raise SpoolError(f"{name} in the spool cannot be read: Input/output error")
        return super().load(name)


def test_a_record_that_cannot_be_read_stays_and_does_not_stop_the_queue(tmp_path):
    bench = Bench(tmp_path, issue)
    bench.enqueue("i-1", "i-2", "i-3")
    spool = SpoolWithABadSector(tmp_path / "spool", bench.clock)
    bench.give_up_after = 2
    sent = Submitter(spool, bench.transport, bench.clock, sleep=bench.sleep, fraction=lambda: 1.0).drain()

    assert (sent.acknowledged, sent.remaining) == (["i-2", "i-3"], 1)
    assert "Input/output error" in sent.failure


def test_a_credential_that_cannot_be_stored_leaves_the_record_in_the_spool(tmp_path):
    bench = Bench(tmp_path, issue)
    (tmp_path / "credentials").write_bytes(b"in the way")
    bench.enqueue("i-1")
    bench.give_up_after = 2
    sent = bench.submitter.drain()

    assert (sent.acknowledged, sent.remaining) == ([], 1)
    assert "could not be stored" in sent.failure


def test_two_never_send_at_once(tmp_path):
    bench = Bench(tmp_path, issue)
    with bench.spool.sending(), pytest.raises(SpoolBusyError):
        bench.submitter.drain()


def test_an_empty_spool_is_sent_at_once(tmp_path):
    sent = Bench(tmp_path, DOWN).submitter.drain()

    assert (sent.acknowledged, sent.remaining, sent.failure) == ([], 0, "")


def test_the_last_contact_is_noted(tmp_path):
    bench = Bench(tmp_path, DOWN, issue)
    bench.enqueue("i-1")
    bench.submitter.drain()
    contact = read(tmp_path / "contact.json")

    assert (contact.acknowledged, contact.last_acknowledged) == (1, "2026-11-20T20:00:15Z")
    assert (contact.failure, contact.last_failure) == (DOWN.detail, "2026-11-20T20:00:14Z")


@pytest.mark.network
def test_a_real_server_that_fails_in_every_way_gets_each_record_in_the_end(tmp_path):
    steps = ["503", "issue", "cut", "noise", "portal", "hang", "429 0", "issue", "409", "500", "moved", "issue"]
    with loopback_issuer(*steps) as issuer:
        bench = Bench(tmp_path, transport=HttpTransport(issuer.url))
        submitter = Submitter(
            bench.spool, bench.transport, bench.clock, sleep=bench.sleep, fraction=lambda: 0.0, timeout_s=0.3
        )
        bench.enqueue(*(f"i-{number}" for number in range(5)))
        sent = submitter.drain()

    assert sorted(sent.acknowledged) == sorted(issuer.accepted)
    assert len(sent.acknowledged) == 4
    assert len(sent.rejected) == len(bench.spool.rejected()) == 1
    assert bench.spool.pending() == []


@pytest.mark.network
def test_an_acknowledgement_that_was_lost_on_the_way_is_asked_for_again(tmp_path):
    with loopback_issuer("cut", "issue") as issuer:
        bench = Bench(tmp_path, transport=HttpTransport(issuer.url))
        bench.enqueue("i-1")

        assert bench.submitter.drain().acknowledged == ["i-1"]
        first, second = (body for _, _, body in issuer.requests)
        assert first == second
