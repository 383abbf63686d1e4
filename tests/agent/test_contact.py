from agent.contact import Contact, ContactBook, read
from agent.retry import Acknowledged, Later, Refused
from tests.fakes.agent import HandClock


def test_without_a_file_nothing_was_ever_heard(tmp_path):
    assert read(tmp_path / "contact.json") == Contact()


def test_a_damaged_file_is_as_none(tmp_path):
    (tmp_path / "contact.json").write_bytes(b"{")

    assert read(tmp_path / "contact.json") == Contact()


def test_acknowledgements_are_counted_over_processes(tmp_path):
    path, clock = tmp_path / "contact.json", HandClock()
    ContactBook(path, clock).note(Acknowledged(b""))
    clock.advance(5)
    ContactBook(path, clock).note(Acknowledged(b""))

    assert read(path) == Contact(acknowledged=2, last_acknowledged="2026-11-20T20:00:09Z")


def test_a_failure_keeps_what_was_acknowledged_before(tmp_path):
    path, book = tmp_path / "contact.json", ContactBook(tmp_path / "contact.json", HandClock())
    book.note(Acknowledged(b""))
    book.note(Later("the issuer answered 503"))
    assert (read(path).acknowledged, read(path).failure) == (1, "the issuer answered 503")
    book.note(Refused(b"{}", "409 Conflict: x"))
    assert read(path).failure == "409 Conflict: x"


def test_a_note_that_cannot_be_written_stops_nothing(tmp_path):
    ContactBook(tmp_path / "missing" / "contact.json", HandClock()).note(Acknowledged(b""))

    assert not (tmp_path / "missing").exists()
