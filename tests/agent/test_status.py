import pytest

from agent.config import Settings
from agent.contact import ContactBook
from agent.home import home
from agent.retry import Acknowledged, Later
from agent.spool import Spool
from agent.status import collect
from tests.fakes.agent import HandClock


@pytest.fixture
def place(tmp_path):
    return home({"GREEN_AGENT_HOME": str(tmp_path)})


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def spool(place, clock):
    return Spool(place.spool, clock)


ENROLLED = Settings(issuer="https://oracle.example", node_id="node-7", key="file:/k")


def test_a_fresh_agent_has_nothing_to_tell(place, clock):
    state = collect(ENROLLED, place, clock)

    assert (state.backlog, state.rejected, state.lost, state.last_acknowledged) == (0, 0, 0, "")
    assert not state.needs_attention


def test_node_issuer_and_key_are_shown(place, clock):
    state = collect(ENROLLED, place, clock)

    assert (state.node_id, state.issuer, state.key) == ("node-7", "https://oracle.example", "file:/k")


def test_the_backlog_is_counted_and_dated(place, clock, spool):
    spool.enqueue(b"{}")
    clock.advance(100)
    spool.enqueue(b"{}")
    state = collect(ENROLLED, place, clock)

    assert (state.backlog, state.oldest) == (2, "2026-11-20T20:00:04Z")
    assert not state.needs_attention


def test_the_last_contact_is_shown(place, clock, spool):
    book = ContactBook(place.contact_file, clock)
    book.note(Acknowledged(b""))
    clock.advance(1)
    book.note(Later("the issuer answered 503"))
    state = collect(ENROLLED, place, clock)

    assert (state.acknowledged, state.last_acknowledged) == (1, "2026-11-20T20:00:04Z")
    assert (state.failure, state.last_failure) == ("the issuer answered 503", "2026-11-20T20:00:05Z")


def test_what_was_refused_is_shown_with_its_problem_and_needs_attention(place, clock, spool):
    name = spool.enqueue(b"{}")
    spool.reject(name, b'{"type":"https://w3id.org/green-compute/problems#CONFLICT","detail":"another body"}')
    state = collect(ENROLLED, place, clock)

    assert state.needs_attention
    assert state.rejections[0].record == name
    assert state.rejections[0].problem == "https://w3id.org/green-compute/problems#CONFLICT another body"


def test_a_damaged_problem_document_is_no_crash(place, clock, spool):
    spool.reject(spool.enqueue(b"{}"), b"{")

    assert "damaged" in collect(ENROLLED, place, clock).rejections[0].problem


def test_only_the_newest_rejections_are_shown_and_all_are_counted(place, clock, spool):
    for _ in range(9):
        clock.advance(1)
        spool.reject(spool.enqueue(b"{}"), b"{}")
    state = collect(ENROLLED, place, clock)

    assert (state.rejected, len(state.rejections)) == (9, 5)
    assert state.rejections[-1].record == spool.rejected()[-1]


def test_what_was_lost_is_shown_and_needs_attention(place, clock, spool):
    spool.note_loss()
    state = collect(ENROLLED, place, clock)

    assert (state.lost, state.last_lost, state.needs_attention) == (1, "2026-11-20T20:00:04Z", True)


def test_losses_that_are_acknowledged_are_shown_once_more_and_counted_anew(place, clock, spool):
    spool.note_loss()
    spool.note_loss()

    assert collect(ENROLLED, place, clock, acknowledge_lost=True).lost == 2
    state = collect(ENROLLED, place, clock)
    assert (state.lost, state.last_lost, state.needs_attention) == (0, "", False)
    spool.note_loss()
    assert collect(ENROLLED, place, clock).lost == 1


def test_an_agent_that_is_not_enrolled_needs_attention(place, clock):
    assert collect(Settings(), place, clock).needs_attention


def test_a_strangers_file_in_the_spool_is_counted_and_no_crash(place, clock, spool):
    (spool.pending_folder / "notes.txt").write_text("?")

    assert (collect(ENROLLED, place, clock).backlog, collect(ENROLLED, place, clock).oldest) == (1, "")
