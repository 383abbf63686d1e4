"""Windows behind one that is lost for good: kept, told, and sent once the issuer's operator accepts the gap."""

import logging

import msgspec
import pytest

from agent.config import Settings
from agent.contact import ContactBook, read
from agent.home import Home
from agent.retry import Answer, Later, Refused, judge_window
from agent.status import Status
from agent.windows.inspect import inspect_windows
from agent.windows.sign import SoftwareWindowSigner
from schemas import times
from schemas.errors import problem_type
from tests.fakes.agent import HandClock, new_signer
from tests.fakes.agent_windows import Bench, window_issuer
from verifier.attestation.chain_state import AcceptedGap

NOW = times.from_microseconds(1_795_204_800_000_000)


@pytest.fixture
def key():
    return new_signer()


@pytest.fixture
def issuer(key):
    with window_issuer(key=key.public_key) as serving:
        yield serving


@pytest.fixture
def bench(tmp_path, key, issuer):
    made = Bench(tmp_path, SoftwareWindowSigner(key, "node-7", 3), issuer.url)
    made.submitter._contacts = ContactBook(Home(tmp_path).window_contact_file, made.clock)
    return made


def accept(issuer):
    issuer.state = msgspec.structs.replace(issuer.state, accepted_gap=AcceptedGap(at_us=1, last=1_000))


def status(bench):
    return inspect_windows(Settings(node_id="node-7"), Home(bench.folder), HandClock())


def lose_window_1(bench, issuer):
    """Let the issuer take window 0, and refuse window 1 for good."""
    bench.take(0)
    bench.submitter.drain()
    issuer.script += ["422"]
    bench.take(1, 2, 3)
    return bench.submitter.drain()


def test_behind_a_window_that_was_refused_for_good_the_others_wait_in_the_spool(bench, issuer, caplog):
    sent = lose_window_1(bench, issuer)

    assert (len(sent.rejected), sent.remaining) == (1, 2)
    assert len(bench.spool.rejected()) == 1
    assert [bench.spool.peek(name).parsed.sequence for name in bench.spool.pending()] == [2, 3]
    assert "409 Windows are missing before this one" in sent.failure
    loud = [entry for entry in caplog.records if entry.levelno == logging.CRITICAL]
    assert "window 1 never came" in loud[-1].reason


def test_status_says_what_the_issuer_waits_for_and_needs_attention(bench, issuer):
    lose_window_1(bench, issuer)

    told = status(bench)
    assert "window 1 never came" in told.waits_for
    assert "--retry-rejected sends them first" in told.waits_for
    bench.spool.discard_rejected()
    told = status(bench)
    assert "--retry-rejected" not in told.waits_for
    nothing = dict.fromkeys(
        ("issuer", "key", "home", "oldest", "last_acknowledged", "last_failure", "failure", "last_lost"), ""
    )
    whole = Status(
        node_id="node-7", backlog=0, acknowledged=1, rejected=0, rejections=(), lost=0, windows=told, **nothing
    )
    assert whole.needs_attention


def test_once_the_gap_is_accepted_what_waited_goes_through_and_nothing_is_told_any_more(bench, issuer):
    lose_window_1(bench, issuer)
    accept(issuer)
    bench.pauses.clear()
    sent = bench.submitter.drain()

    assert (len(sent.acknowledged), sent.remaining) == (2, 0)
    assert [window.header.sequence for window in issuer.windows] == [0, 2, 3]
    assert status(bench).waits_for == ""
    assert read(Home(bench.folder).window_contact_file).for_operator == ""


def test_once_its_cause_is_mended_the_refused_window_closes_the_gap_itself(bench, issuer):
    lose_window_1(bench, issuer)
    bench.spool.retry_rejected()
    bench.pauses.clear()
    bench.submitter.drain()

    assert [window.header.sequence for window in issuer.windows] == [0, 1, 2, 3]


def test_what_waits_outlives_a_start_and_new_windows_join_it(bench, issuer):
    lose_window_1(bench, issuer)
    again = bench.reopened()
    again.take(4)
    accept(issuer)
    again.submitter.drain()

    assert [window.header.sequence for window in issuer.windows] == [0, 2, 3, 4]


def test_what_waits_is_bounded_by_the_spool(tmp_path, key, issuer):
    bench = Bench(tmp_path, SoftwareWindowSigner(key, "node-7", 3), issuer.url, max_bytes=12_000)
    lose_window_1(bench, issuer)
    bench.take(*range(4, 12))

    assert "bound is 12000" in bench.keeper.problem
    assert sum((bench.spool.folder / "pending" / name).stat().st_size for name in bench.spool.pending()) <= 12_000


@pytest.mark.parametrize(
    ("status_code", "name", "kind"),
    [
        (409, "WINDOW_SEQUENCE_GAP", Later),
        (409, "WINDOW_FORK", Refused),
        (409, "CLOCK_SKEW", Later),
        (401, "NONCE_REFUSED", Refused),
        (401, "WINDOW_SIGNER_MISMATCH", Later),
        (409, "CLOCK_DRIFT", Later),
        (409, "CLOCK_ROLLBACK", Refused),
        (422, "CLOCK_DRIFT", Refused),
        (503, "NONCE_REFUSED", Later),
        (422, "WINDOW_SEQUENCE_GAP", Refused),
        (422, "TOO_OLD", Refused),
    ],
)
def test_what_will_never_be_taken_is_told_from_what_may(status_code, name, kind):
    body = msgspec.json.encode({"type": problem_type(name), "title": "t", "detail": "d", "status": status_code})
    answer = Answer(status_code, {"content-type": "application/problem+json"}, body)

    verdict = judge_window(answer, "u", NOW)
    assert isinstance(verdict, kind)
    for_operator = name in ("WINDOW_SEQUENCE_GAP", "CLOCK_DRIFT") and kind is Later
    assert getattr(verdict, "for_operator", False) == for_operator


@pytest.mark.parametrize(("status_code", "kind"), [(401, Refused), (503, Later)])
def test_that_another_key_signed_is_final_once_enrolment_has_replaced_it(status_code, kind):
    name = problem_type("WINDOW_SIGNER_MISMATCH")
    body = msgspec.json.encode({"type": name, "title": "t", "detail": "d", "status": status_code})
    answer = Answer(status_code, {"content-type": "application/problem+json"}, body)
    assert isinstance(judge_window(answer, "u", NOW, key_replaced=True), kind)


class SpareBench(Bench):
    """A node that was enrolled again: its new key is the signer's, its chain stands before window ``number``."""

    def __init__(self, before, key, number):
        before.submitter.close()
        head = before.spool.load(before.spool.pending()[0]).head()
        enrolled = msgspec.structs.replace(head, next_sequence=number)
        before.spool.write_head(enrolled)
        before.spool.close()
        signer = SoftwareWindowSigner(key, "node-7", 4)
        uri = key.public_key.thumbprint_uri
        super().__init__(before.folder, signer, before.url, is_replaced=lambda header: header.key != uri)


def test_windows_of_a_replaced_key_that_were_never_taken_are_set_aside_and_the_numbers_go_on(bench, caplog):
    bench.take(0, 1, 2)
    again = SpareBench(bench, new_signer(), 1)
    # Window 0 was taken, says the enrolment: it is sent again for its answer. The others never will be.
    assert [again.spool.load(name).parsed.sequence for name in again.spool.pending()] == [0]
    assert len(again.spool.rejected()) == 2
    assert "replaced" in caplog.text
    assert b"replaced by enrolment" in again.spool.problem(again.spool.rejected()[0])
    assert again.keeper.head.next_sequence == 1


def test_a_taken_window_of_a_replaced_key_is_acknowledged(bench, issuer):
    issuer.script += ["cut"]
    bench.take(0)
    bench.submitter._sleep = lambda _: True
    assert bench.submitter.drain().remaining == 1
    again = SpareBench(bench, new_signer(), 1)
    sent = again.submitter.drain()
    assert (len(sent.acknowledged), issuer.repeated) == (1, 1)
    assert again.keeper.head.next_sequence == 1


def test_one_that_is_refused_all_the_same_no_longer_holds_up_the_others(bench, issuer):
    bench.take(0)
    again = SpareBench(bench, new_signer(), 1)
    issuer.script += ["401 WINDOW_SIGNER_MISMATCH"]
    sent = again.submitter.drain()
    assert (len(sent.rejected), again.spool.pending()) == (1, [])


def test_a_window_whose_clocks_disagree_is_kept_for_the_issuers_operator_to_decide(bench, issuer):
    issuer.script += ["409 CLOCK_DRIFT"]
    bench.take(0)
    bench.submitter._sleep = lambda _: True
    sent = bench.submitter.drain()
    assert (sent.rejected, sent.remaining, len(bench.spool.rejected())) == ([], 1, 0)
    assert "before its operator has decided" in status(bench).waits_for
    # Accepted: it is taken as it is.
    assert len(bench.submitter.drain().acknowledged) == 1
    assert status(bench).waits_for == ""
