"""Memory of status lists: the newest stays, whoever writes beside us, and no damage stops a verification."""

import fcntl
import json
import os
import stat
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import msgspec
import pytest

from tests.fakes.verifier import LISTS, NOW, World, presentation
from verifier import document
from verifier.evidence import KnownList
from verifier.known_lists import FolderKnownLists, InMemoryKnownLists, recall, remember, state_folder
from verifier.memo import Memo

ISSUER, URL = "did:web:oracle.example", LISTS["revocation"]
EARLIER, LATER = "2026-11-20T20:00:11Z", "2026-11-20T20:30:00Z"


def a_list(issued=LATER, *, url=URL, issuer=ISSUER, body=b"x"):
    return KnownList(issuer=issuer, url=url, issued=issued, body=body, retrieved_at=EARLIER, media_type="text/x")


class Notes(list):
    """What was told to somebody."""

    def __call__(self, text):
        self.append(text)


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture(params=["memory", "folder"])
def known(request, tmp_path, notes):
    return InMemoryKnownLists() if request.param == "memory" else FolderKnownLists(tmp_path / "lists", note=notes)


def again(tmp_path, notes):
    """Return the folder as another process would open it."""
    return FolderKnownLists(tmp_path / "lists", note=notes)


# --- in memory, and in a folder ------------------------------------------------------------------------------


def test_what_was_kept_is_known(known):
    assert known.newest(ISSUER, URL) is None
    known.keep(a_list())
    assert known.newest(ISSUER, URL) == a_list()
    assert known.newest(ISSUER, LISTS["suspension"]) is None


def test_a_later_list_takes_the_place_of_an_earlier_one_and_never_the_other_way(known):
    for issued in (EARLIER, LATER, EARLIER):
        known.keep(a_list(issued))
    assert known.newest(ISSUER, URL).issued == LATER


def test_one_issuer_does_not_drive_out_another_at_the_same_url(known):
    known.keep(a_list(EARLIER))
    known.keep(a_list(LATER, issuer="did:web:evil.example"))
    assert known.newest(ISSUER, URL).issued == EARLIER


def test_memory_is_bounded_and_what_was_not_used_goes_first():
    known = InMemoryKnownLists(max_bytes=30)
    for name in ("a", "b", "c"):
        known.keep(a_list(url=name, body=b"x" * 10))
    known.newest(ISSUER, "a")
    known.keep(a_list(url="d", body=b"x" * 10))
    known.keep(a_list(url="e", body=b"x" * 31))
    assert [known.newest(ISSUER, name) is not None for name in "abcde"] == [True, False, True, True, False]


def test_a_list_in_another_ones_place_is_counted_once():
    known = InMemoryKnownLists(max_bytes=30)
    known.keep(a_list(url="other", body=b"x" * 10))
    for second in range(10):
        known.keep(a_list(f"2026-11-20T20:00:0{second}Z", body=b"x" * 10))
    assert known.newest(ISSUER, "other") is not None


# --- in a folder ---------------------------------------------------------------------------------------------


def test_what_was_kept_outlives_the_process(tmp_path, notes):
    again(tmp_path, notes).keep(a_list())
    assert again(tmp_path, notes).newest(ISSUER, URL) == a_list()
    assert not notes


def test_files_are_for_their_owner_alone_and_bear_nothing_of_the_url(tmp_path, notes):
    again(tmp_path, notes).keep(a_list(url="https://oracle.example/../../etc/passwd"))
    assert stat.S_IMODE((tmp_path / "lists").stat().st_mode) == 0o700
    for path in (tmp_path / "lists").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "passwd" not in path.name


def test_a_process_that_began_earlier_does_not_bring_an_older_list_back(tmp_path, notes):
    first = again(tmp_path, notes)
    again(tmp_path, notes).keep(a_list(LATER))
    first.keep(a_list(EARLIER))
    assert again(tmp_path, notes).newest(ISSUER, URL).issued == LATER
    assert first.newest(ISSUER, URL).issued == LATER


def _keep(folder, second):
    FolderKnownLists(Path(folder), note=print).keep(a_list(f"2026-11-20T20:00:{second:02}Z", body=b"%d" % second))


def test_two_processes_at_once_leave_the_newest(tmp_path, notes):
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        list(pool.map(_keep, [tmp_path / "lists"] * 40, [*range(20, 40), *range(20)]))
    found = again(tmp_path, notes).newest(ISSUER, URL)
    assert (found.issued, found.body) == ("2026-11-20T20:00:39Z", b"39")
    assert not notes


def test_nothing_is_written_while_another_process_writes_and_nobody_waits_for_ever(tmp_path, notes):
    again(tmp_path, notes).keep(a_list(EARLIER))
    known = FolderKnownLists(tmp_path / "lists", note=notes, lock_timeout_s=0)
    with (tmp_path / "lists" / "lock").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        known.keep(a_list(LATER))
    assert len(notes) == 1
    assert again(tmp_path, notes).newest(ISSUER, URL).issued == EARLIER
    assert known.newest(ISSUER, URL).issued == LATER


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", msgspec.json.encode(a_list("yesterday")), msgspec.json.encode(a_list())[:-9]],
    ids=["empty", "cut", "no UTF-8", "no date", "torn"],
)
def test_a_damaged_file_is_nothing_known_and_is_told_once(tmp_path, notes, content):
    again(tmp_path, notes).keep(a_list())
    (file,) = (tmp_path / "lists").glob("*.known-list")
    file.write_bytes(content)
    known = again(tmp_path, notes)
    assert known.newest(ISSUER, URL) is None
    assert known.newest(ISSUER, URL) is None
    assert len(notes) == 1
    assert "damaged" in notes[0]
    known.keep(a_list(EARLIER))
    assert again(tmp_path, notes).newest(ISSUER, URL).issued == EARLIER


def test_a_file_under_the_name_of_another_list_is_not_taken_for_it(tmp_path, notes):
    known = again(tmp_path, notes)
    known.keep(a_list())
    known.keep(a_list(url="https://oracle.example/other"))
    one, two = sorted((tmp_path / "lists").glob("*.known-list"))
    one.write_bytes(two.read_bytes())
    fresh = again(tmp_path, notes)
    assert [fresh.newest(ISSUER, url) is None for url in (URL, "https://oracle.example/other")].count(True) == 1


def test_a_folder_that_cannot_be_written_is_told_and_the_process_still_remembers(tmp_path, notes):
    (tmp_path / "lists").write_bytes(b"a file")
    known = again(tmp_path, notes)
    known.keep(a_list())
    known.keep(a_list(url="https://oracle.example/other"))
    assert known.newest(ISSUER, URL) == a_list()
    assert [note for note in notes if "cannot be remembered" in note]
    assert len(notes) == len(set(notes))


def test_the_folder_is_bounded_and_the_file_written_longest_ago_goes_first(tmp_path, notes):
    known = FolderKnownLists(tmp_path / "lists", note=notes, max_files=3)
    for number in range(5):
        known.keep(a_list(url=f"https://oracle.example/{number}"))
        for age, file in enumerate(sorted((tmp_path / "lists").glob("*.known-list"), key=os.path.getmtime)):
            os.utime(file, ns=(age, age))
    fresh = again(tmp_path, notes)
    there = [fresh.newest(ISSUER, f"https://oracle.example/{number}") is not None for number in range(5)]
    assert there == [False, False, True, True, True]


def test_the_folder_is_bounded_in_bytes_too(tmp_path, notes):
    known = FolderKnownLists(tmp_path / "lists", note=notes, max_bytes=3000)
    for number in range(5):
        known.keep(a_list(url=f"https://oracle.example/{number}", body=b"x" * 1000))
    assert sum(file.stat().st_size for file in (tmp_path / "lists").glob("*.known-list")) <= 3000
    assert again(tmp_path, notes).newest(ISSUER, "https://oracle.example/4") is not None


def test_what_a_crash_left_half_written_is_no_list_and_is_removed(tmp_path, notes):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / ".new-abc").write_bytes(b"{")
    known = again(tmp_path, notes)
    known.keep(a_list())
    assert not list((tmp_path / "lists").glob(".new-*"))


def test_a_list_at_hand_is_looked_up_without_the_disk(tmp_path, notes):
    known = again(tmp_path, notes)
    known.keep(a_list())
    for file in (tmp_path / "lists").iterdir():
        file.unlink()
    (tmp_path / "lists").rmdir()
    assert known.newest(ISSUER, URL) == a_list()
    assert known.newest(ISSUER, "https://oracle.example/never-seen") is None


# --- around a verdict ----------------------------------------------------------------------------------------


def parsed(value):
    return document.parse_any(json.dumps(value).encode())


def test_what_a_document_names_is_recalled_and_nothing_else():
    known, value = InMemoryKnownLists(), World().credential()
    known.keep(a_list())
    known.keep(a_list(url="https://oracle.example/other"))
    known.keep(a_list(issuer="did:web:other.example"))
    for asked in (value, presentation(value)):
        found = recall(parsed(asked), known, until=NOW).remembered
        assert {(entry.url, entry.origin, entry.retrieved_at) for entry in found.values()} == {(URL, "memory", EARLIER)}


def test_what_came_after_the_time_of_the_verdict_is_not_recalled():
    known, value = InMemoryKnownLists(), World().credential()
    known.keep(a_list(LATER))
    assert not recall(parsed(value), known, until=NOW - timedelta(hours=1)).remembered


def test_a_list_of_the_future_is_never_kept_though_the_verdict_was_one_for_a_time_to_come():
    known, memo = InMemoryKnownLists(), Memo()
    for url, issued in (("a", "2026-11-20T21:01:00Z"), ("b", "2026-11-20T21:01:01Z")):
        memo.worth_keeping[url] = a_list(issued, url=url)
    remember(memo, known, now=NOW, leeway_s=60)
    assert known.newest(ISSUER, "a") is not None
    assert known.newest(ISSUER, "b") is None


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"XDG_STATE_HOME": "/var/state", "HOME": "/home/a"}, "/var/state/green-verifier"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/a"}, "/home/a/.local/state/green-verifier"),
        ({"HOME": "/home/a"}, "/home/a/.local/state/green-verifier"),
    ],
)
def test_the_command_line_remembers_where_the_xdg_says(environment, folder):
    assert state_folder(environment) == Path(folder)
