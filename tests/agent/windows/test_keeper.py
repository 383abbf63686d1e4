"""From a measured window to one that the issuer has, and every way in which that stops half-way."""

import gzip
import json
import os

import pytest

from agent.errors import SpoolError, SpoolFullError
from agent.windows.sign import SoftwareWindowSigner
from agent.windows.spooled import Place
from did.errors import SignerError
from schemas import digests
from schemas.window_header import decode_header
from tests.fakes.agent import new_signer
from tests.fakes.agent_windows import Bench, measured, window_issuer


class FailingSigner:
    """A key that cannot be used while ``broken``."""

    def __init__(self, signer):
        self._signer = signer
        self.public_key = signer.public_key
        self.broken = False

    def sign(self, message, algorithm):
        if self.broken:
            raise SignerError("the key is away")
        return self._signer.sign(message, algorithm)


@pytest.fixture
def key():
    return FailingSigner(new_signer())


@pytest.fixture
def issuer(key):
    with window_issuer(key=key.public_key) as serving:
        yield serving


@pytest.fixture
def bench(tmp_path, key, issuer):
    return Bench(tmp_path, SoftwareWindowSigner(key, "node-7", 3), issuer.url)


def test_windows_arrive_in_their_order_each_naming_the_one_before(bench, issuer):
    bench.take(0, 1, 2)
    sent = bench.submitter.drain()

    assert (len(sent.acknowledged), sent.remaining, sent.rejected) == (3, 0, [])
    assert [window.header.sequence for window in issuer.windows] == [0, 1, 2]
    assert [window.header.previous for window in issuer.windows[1:]] == [one.digest for one in issuer.windows[:-1]]
    assert not bench.spool.pending()


def test_the_request_is_the_evidence_and_then_the_records_as_gzip(bench, issuer):
    bench.take(0)
    bench.submitter.drain()

    path, headers, body = issuer.requests[0]
    first, *records = gzip.decompress(body).splitlines()
    assert path == "/api/v1/windows"
    assert (headers["content-type"], headers["content-encoding"]) == ("application/x-ndjson", "gzip")
    assert list(json.loads(first)) == ["evidence"]
    assert [json.loads(line)["inference_id"] for line in records] == ["inference-0", "inference-1"]


def test_the_nonce_that_came_with_an_acknowledgement_is_carried_once(bench, issuer):
    for number in range(4):
        bench.take(number)
        bench.submitter.drain()

    assert [window.header.freshness for window in issuer.windows] == ["chained", "nonce", "nonce", "nonce"]
    assert len({window.header.nonce for window in issuer.windows}) == 4


def test_a_window_without_records_is_a_fact_too(bench, issuer):
    bench.take(0, records=0)
    bench.submitter.drain()

    assert (issuer.windows[0].header.records, issuer.windows[0].header.unattributed_mj) == (0, 1000)


def test_an_answer_that_is_lost_is_asked_for_again_and_the_window_counts_once(bench, issuer):
    issuer.script += ["cut", "take"]
    bench.take(0, 1)
    sent = bench.submitter.drain()

    assert (len(sent.acknowledged), issuer.repeated, len(issuer.windows)) == (2, 1, 2)
    assert len(bench.pauses) == 1


@pytest.mark.parametrize("step", ["503", "429", "408", "401", "404", "hang"])
def test_what_may_pass_is_tried_again_and_holds_up_the_chain(bench, issuer, step):
    issuer.script += [step, step]
    bench.take(0, 1)
    sent = bench.submitter.drain()

    assert [window.header.sequence for window in issuer.windows] == [0, 1]
    assert (len(sent.acknowledged), len(bench.pauses)) == (2, 2)


@pytest.mark.parametrize("status", ["409", "422", "413", "400"])
def test_what_is_refused_for_good_is_kept_aside_and_told(bench, issuer, status, caplog):
    issuer.script += [status]
    bench.take(0)
    sent = bench.submitter.drain()

    assert [reason for _, reason in sent.rejected] == [f"{status} no: why"]
    (name,) = bench.spool.rejected()
    assert b"why" in bench.spool.problem(name)
    assert "refused for good" in caplog.text
    assert bench.reopened().keeper.head.next_sequence == 1


def test_an_answer_that_names_another_window_acknowledges_nothing(bench, issuer):
    issuer._answer = lambda window: {"credential": "x", "window": digests.digest(b"another"), "nonces": []}
    bench.take(0)
    sent = bench.submitter.drain(within_s=5)

    assert not sent.acknowledged
    assert len(bench.spool.pending()) == 1


def test_a_key_that_is_away_leaves_windows_joined_until_it_is_back(bench, issuer, key):
    bench.take(0)
    key.broken = True
    bench.take(1, 2)
    # The first of them was on disk before the key was asked.
    assert (len(bench.spool.pending()), bench.keeper.problem) == (2, "the key is away")
    key.broken = False
    bench.keeper.work()
    bench.submitter.drain()

    assert [window.header.sequence for window in issuer.windows] == [0, 1, 2]
    assert not bench.keeper.problem


def test_what_waits_too_long_goes_to_disk_unsigned_and_is_signed_after_a_restart(bench, issuer, key):
    bench.take(0)
    key.broken = True
    bench.take(*range(1, 9))
    on_disk = len(bench.spool.pending())
    assert on_disk > 2
    bench.keeper.give_up()
    key.broken = False
    again = bench.reopened()
    again.keeper.work()
    again.submitter.drain()

    assert issuer.windows[-1].header.end_us == measured(8).end_us
    assert sum(window.header.accelerators_mj for window in issuer.windows) == 9000
    assert sum(window.header.records for window in issuer.windows) == 18


def test_killed_before_it_was_signed_a_window_is_signed_after_the_start(bench, issuer, key):
    bench.take(0)
    key.broken = True
    bench.take(1)
    key.broken = False
    again = bench.reopened()
    assert again.keeper.behind
    again.take(2)
    again.submitter.drain()

    assert [window.header.sequence for window in issuer.windows] == [0, 1, 2]


def test_a_torn_evidence_is_cut_off_and_signed_again(bench, issuer):
    bench.take(0, 1)
    path = bench.spool.folder / "pending" / bench.spool.pending()[1]
    whole = path.read_bytes()
    for cut in range(whole.rindex(b"\nevidence ") + 1, len(whole), 37):
        path.write_bytes(whole[:cut])
        bench = bench.reopened()
        assert bench.keeper.behind
        bench.keeper.work()
        assert bench.spool.load(path.name).evidence is not None
    bench.submitter.drain()

    assert len(issuer.windows) == 2


def test_a_damaged_window_is_set_aside_and_the_chain_goes_on(bench):
    bench.take(0, 1)
    path = bench.spool.folder / "pending" / bench.spool.pending()[1]
    path.write_bytes(path.read_bytes().replace(b'"records":2', b'"records":3'))
    again = bench.reopened()

    assert again.keeper.head.next_sequence == 1
    assert len(again.spool.rejected()) == 1


def test_a_full_spool_is_told_and_what_waits_is_joined_then_lost_with_a_gap(tmp_path, key, issuer, caplog):
    bench = Bench(tmp_path, SoftwareWindowSigner(key, "node-7", 3), issuer.url, max_bytes=9000)
    bench.take(*range(6))
    assert "bound is 9000" in bench.keeper.problem
    kept = len(bench.spool.pending())
    assert kept < 6
    bench.submitter.drain()
    bench.keeper.work()
    bench.submitter.drain()

    assert sum(window.header.accelerators_mj for window in issuer.windows) == 6000
    assert bench.spool.gap() is None


def test_what_can_be_neither_joined_nor_kept_is_lost_and_noted(tmp_path, key, issuer, caplog):
    bench = Bench(tmp_path, SoftwareWindowSigner(key, "node-7", 3), issuer.url, max_bytes=4096)
    # Not neighbours: each second one is missing.
    bench.take(*range(0, 14, 2))

    gap = bench.spool.gap()
    assert (gap.windows, gap.energy_mj, gap.next_sequence) == (4, 4000, 0) or gap.windows >= 3
    assert "LOST" in caplog.text
    assert bench.reopened().spool.gap() == gap


def test_a_daemon_that_was_killed_leaves_a_gap_from_its_last_window_until_now(bench):
    bench.spool.note_open(1_000)
    bench = bench.reopened()
    gap = bench.spool.note_killed(next_sequence=4, end_us=5_000, now_us=9_000)

    assert (gap.windows, gap.next_sequence, gap.from_us, gap.to_us, gap.energy_mj) == (1, 4, 5_000, 9_000, None)
    again = bench.reopened().spool
    assert again.gap() == gap
    assert again.note_killed(next_sequence=4, end_us=5_000, now_us=10_000) is None


def test_killed_before_its_first_window_the_gap_begins_where_the_daemon_did(bench):
    bench.spool.note_open(7_000)

    assert bench.spool.note_killed(next_sequence=4, end_us=5_000, now_us=9_000).from_us == 7_000


def test_killed_twice_before_a_window_was_kept_is_one_gap_of_two_windows(bench):
    for opened_us in (7_000, 8_000):
        bench.spool.note_open(opened_us)
        gap = bench.spool.note_killed(next_sequence=4, end_us=0, now_us=opened_us + 500)

    assert (gap.windows, gap.from_us, gap.to_us, gap.energy_mj) == (2, 7_000, 8_500, None)


def test_the_energy_of_a_gap_is_not_known_where_that_of_a_part_is_not(bench):
    bench.spool.note_open(7_000)
    bench.spool.note_killed(next_sequence=4, end_us=0, now_us=8_000)

    assert bench.spool.note_gap(measured(0), 4, "the disk is full").energy_mj is None


def test_a_daemon_that_ended_in_order_leaves_no_gap(bench):
    bench.spool.note_open(7_000)
    bench.spool.note_closed()

    assert bench.spool.note_killed(next_sequence=4, end_us=0, now_us=8_000) is None
    assert bench.spool.gap() is None


def test_a_damaged_note_of_the_start_is_no_reason_to_say_nothing(bench):
    (bench.spool.folder / "open").write_bytes(b"\xff")

    assert bench.spool.note_killed(next_sequence=4, end_us=5_000, now_us=8_000).from_us == 5_000


def test_the_head_outlives_every_window_of_it(bench, issuer):
    bench.take(0, 1)
    bench.submitter.drain()
    again = bench.reopened()

    assert again.keeper.head.next_sequence == 2
    again.take(2)
    again.submitter.drain()
    assert [window.header.sequence for window in issuer.windows] == [0, 1, 2]


def test_a_damaged_head_stops_the_start_instead_of_beginning_a_second_chain(bench):
    bench.take(0)
    bench.submitter.drain()
    (bench.spool.folder / "head").write_bytes(b"{")

    with pytest.raises(SpoolError, match="enrol again"):
        bench.reopened()


def test_windows_of_the_node_that_this_was_before_are_set_aside(bench, key, issuer):
    bench.take(0)
    other = Bench(bench.folder, SoftwareWindowSigner(key, "node-8", 1), issuer.url)
    other.keeper._node_id = "node-8"
    other.keeper.head = other.keeper._find_head()

    assert (other.keeper.head.next_sequence, len(other.spool.rejected())) == (0, 1)


def test_the_start_counter_rises_with_each_start(bench):
    assert [bench.spool.next_start(), bench.spool.next_start()] == [1, 2]


def test_a_header_shows_that_software_signed_it(bench, issuer):
    bench.take(0)
    window = bench.spool.load(bench.spool.pending()[0])

    header = decode_header(window.header)
    assert (header.ak, header.boot.start, header.boot.reset) == (None, 3, None)


def test_put_promises_only_what_is_on_disk(bench, monkeypatch):
    def full(*_):
        raise OSError(28, os.strerror(28))

    from agent.windows.close import Head, Identity, close_window
    from schemas.window_header import Boot

    identity = Identity("node-7", bench.signer.identity.key)
    closed = close_window(measured(0), identity, Head(node_id="node-7"), Boot(start=1), None)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SpoolFullError):
        bench.spool.put(closed, Place())
    assert not bench.spool.pending()


def test_a_thousand_records_a_window_and_a_hundred_windows_go_through(bench, issuer):
    for number in range(100):
        bench.take(number, records=1000 if number == 50 else 10)
    bench.submitter.drain()

    assert (len(issuer.windows), len(issuer.windows[50].records)) == (100, 1000)


def test_refused_windows_are_queued_again_by_hand_and_then_taken(bench, issuer):
    issuer.script += ["422"]
    bench.take(0)
    bench.submitter.drain()
    assert bench.spool.retry_rejected() == 1
    bench.submitter.drain()

    assert ([window.header.sequence for window in issuer.windows], bench.spool.rejected()) == ([0], [])


def test_a_chain_that_enrolment_left_goes_on_from_there(tmp_path, key, issuer):
    from agent.windows.close import Head

    previous = digests.digest(b"the window before")
    bench = Bench(tmp_path, SoftwareWindowSigner(key, "node-7", 3), issuer.url)
    bench.spool.write_head(Head(node_id="node-7", next_sequence=41, previous=previous, end_us=5))
    again = bench.reopened()
    again.take(0)

    header = again.spool.load(again.spool.pending()[0]).parsed
    assert (header.sequence, header.previous) == (41, previous)


def test_a_node_that_lost_its_windows_goes_on_from_what_the_issuers_operator_reads(tmp_path, key, issuer):
    bench = Bench(tmp_path / "lost", SoftwareWindowSigner(key, "node-7", 3), issuer.url)
    bench.take(0, 1)
    bench.submitter.drain()
    # As docs/operating.md says: next_sequence, last_window and boot_epoch of nodes show.
    folder = tmp_path / "home" / "windows"
    folder.mkdir(parents=True, mode=0o700)
    head = {"node_id": "node-7", "next_sequence": 2, "previous": issuer.windows[-1].digest}
    (folder / "head").write_text(json.dumps(head))
    (folder / "start").write_text("3")
    again = Bench(tmp_path / "home", SoftwareWindowSigner(key, "node-7", 3), issuer.url)
    again.signer = again.keeper._signer = SoftwareWindowSigner(key, "node-7", again.spool.next_start())
    again.take(5)
    again.submitter.drain()

    assert [(one.header.sequence, one.header.boot.start) for one in issuer.windows] == [(0, 3), (1, 3), (2, 4)]
