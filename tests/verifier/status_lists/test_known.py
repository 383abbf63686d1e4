"""Memory of status lists: the newest stays, whoever writes beside us, and no damage stops a verification."""

import fcntl
import json
import random
import stat
import zlib
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest

from schemas import status
from tests.fakes.verifier import LISTS, NOW, World, presentation
from verifier import document
from verifier.evidence import KnownList, name_of_list
from verifier.memo import Memo
from verifier.status_lists.known import InMemoryKnownLists, recall, remember, state_folder
from verifier.status_lists.known_folder import FolderKnownLists
from verifier.status_lists.packed import MAX_PACKED_BYTES, pack
from verifier.status_lists.shares import LEAST_BYTES

ISSUER, URL = "did:web:oracle.example", LISTS["revocation"]
EARLIER, LATER = "2026-11-20T20:00:11Z", "2026-11-20T20:30:00Z"


def a_list(issued=LATER, *, url=URL, issuer=ISSUER, purpose="revocation", body=b"x"):
    return KnownList(
        issuer=issuer,
        url=url,
        purpose=purpose,
        issued=issued,
        body=body,
        retrieved_at=EARLIER,
        media_type="text/x",
    )


def bits(*indexes):
    """Return the body of a list in which these bits are set; that it is signed is for others to check."""
    raw = bytearray(status.MIN_BYTES)
    for index in indexes:
        status.set_bit(raw, index)
    return json.dumps({"credentialSubject": {"encodedList": status.encode_bits(raw)}}).encode()


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
    assert known.newest(ISSUER, URL, "revocation") is None
    known.keep(a_list())
    assert known.newest(ISSUER, URL, "revocation") == a_list()
    assert known.newest(ISSUER, LISTS["suspension"], "revocation") is None


def test_a_later_list_takes_the_place_of_an_earlier_one_and_never_the_other_way(known):
    for issued in (EARLIER, LATER, EARLIER):
        known.keep(a_list(issued))
    assert known.newest(ISSUER, URL, "revocation").issued == LATER


def test_one_issuer_does_not_drive_out_another_at_the_same_url(known):
    known.keep(a_list(EARLIER))
    known.keep(a_list(LATER, issuer="did:web:evil.example"))
    assert known.newest(ISSUER, URL, "revocation").issued == EARLIER


def test_a_list_of_another_purpose_does_not_drive_one_out_at_the_same_url(known):
    known.keep(a_list(EARLIER, body=bits(3)))
    known.keep(a_list(LATER, purpose="suspension", body=bits()))
    assert known.newest(ISSUER, URL, "revocation").body == bits(3)
    assert known.newest(ISSUER, URL, "suspension").issued == LATER


def test_a_list_that_takes_a_revocation_back_is_not_kept_and_one_that_ends_a_suspension_is(known):
    for purpose in ("revocation", "suspension"):
        known.keep(a_list(EARLIER, purpose=purpose, body=bits(3)))
        known.keep(a_list(LATER, purpose=purpose, body=bits(4)))
    assert known.newest(ISSUER, URL, "revocation").body == bits(3)
    assert known.newest(ISSUER, URL, "suspension").body == bits(4)


def test_a_list_that_takes_too_much_room_is_not_kept(known):
    known.keep(a_list(body=random.Random(1).randbytes(MAX_PACKED_BYTES)))
    assert known.newest(ISSUER, URL, "revocation") is None
    known.keep(a_list(body=b" " * 2_000_000))
    assert len(known.newest(ISSUER, URL, "revocation").body) == 2_000_000


def test_memory_is_bounded_and_what_was_not_used_goes_first():
    known = InMemoryKnownLists(max_bytes=3 * LEAST_BYTES)
    for name in ("a", "b", "c"):
        known.keep(a_list(url=name))
    known.newest(ISSUER, "a", "revocation")
    known.keep(a_list(url="d"))
    known.keep(a_list(url="e", body=random.Random(1).randbytes(4 * LEAST_BYTES)))
    there = [known.newest(ISSUER, name, "revocation") is not None for name in "abcde"]
    assert there == [True, False, True, True, False]


def test_a_stranger_with_many_issuers_drives_nobody_out_of_memory():
    known = InMemoryKnownLists(max_bytes=4 * LEAST_BYTES)
    known.keep(a_list())
    for number in range(10):
        known.keep(a_list(issuer=f"did:key:z{number}", url=f"https://host-{number}.evil.example/list"))
    assert known.newest(ISSUER, URL, "revocation") is not None


def test_a_list_in_another_ones_place_is_counted_once():
    known = InMemoryKnownLists(max_bytes=3 * LEAST_BYTES)
    known.keep(a_list(url="other"))
    for second in range(10):
        known.keep(a_list(f"2026-11-20T20:00:0{second}Z"))
    assert known.newest(ISSUER, "other", "revocation") is not None


# --- in a folder ---------------------------------------------------------------------------------------------


def test_what_was_kept_outlives_the_process(tmp_path, notes):
    again(tmp_path, notes).keep(a_list())
    assert again(tmp_path, notes).newest(ISSUER, URL, "revocation") == a_list()
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
    assert again(tmp_path, notes).newest(ISSUER, URL, "revocation").issued == LATER
    assert first.newest(ISSUER, URL, "revocation").issued == LATER


def _keep(folder, second):
    FolderKnownLists(Path(folder), note=print).keep(a_list(f"2026-11-20T20:00:{second:02}Z", body=b"%d" % second))


def test_two_processes_at_once_leave_the_newest(tmp_path, notes):
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        list(pool.map(_keep, [tmp_path / "lists"] * 40, [*range(20, 40), *range(20)]))
    found = again(tmp_path, notes).newest(ISSUER, URL, "revocation")
    assert (found.issued, found.body) == ("2026-11-20T20:00:39Z", b"39")
    assert not notes


def test_nothing_is_written_while_another_process_writes_and_nobody_waits_for_ever(tmp_path, notes):
    again(tmp_path, notes).keep(a_list(EARLIER))
    known = FolderKnownLists(tmp_path / "lists", note=notes, lock_timeout_s=0)
    with (tmp_path / "lists" / "lock").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        known.keep(a_list(LATER))
    assert len(notes) == 1
    assert again(tmp_path, notes).newest(ISSUER, URL, "revocation").issued == EARLIER
    assert known.newest(ISSUER, URL, "revocation").issued == LATER


@pytest.mark.parametrize(
    "content",
    [b"", b"{", zlib.compress(b"\xff"), pack(a_list("yesterday")), pack(a_list())[:-1], b"x" * (MAX_PACKED_BYTES + 1)],
    ids=["empty", "not compressed", "no list", "no date", "torn", "too large"],
)
def test_a_damaged_file_is_nothing_known_and_is_told_once(tmp_path, notes, content):
    again(tmp_path, notes).keep(a_list())
    (file,) = (tmp_path / "lists").glob("*.known-list")
    file.write_bytes(content)
    known = again(tmp_path, notes)
    assert known.newest(ISSUER, URL, "revocation") is None
    assert known.newest(ISSUER, URL, "revocation") is None
    assert len(notes) == 1
    assert "damaged" in notes[0]
    known.keep(a_list(EARLIER))
    assert again(tmp_path, notes).newest(ISSUER, URL, "revocation").issued == EARLIER


def test_a_file_under_the_name_of_another_list_is_not_taken_for_it(tmp_path, notes):
    known = again(tmp_path, notes)
    known.keep(a_list())
    known.keep(a_list(url="https://oracle.example/other"))
    one, two = sorted((tmp_path / "lists").glob("*.known-list"))
    one.write_bytes(two.read_bytes())
    fresh = again(tmp_path, notes)
    assert [fresh.newest(ISSUER, url, "revocation") is None for url in (URL, "https://oracle.example/other")].count(
        True
    ) == 1


def test_a_folder_that_cannot_be_written_is_told_and_the_process_still_remembers(tmp_path, notes):
    (tmp_path / "lists").write_bytes(b"a file")
    known = again(tmp_path, notes)
    known.keep(a_list())
    known.keep(a_list(url="https://oracle.example/other"))
    assert known.newest(ISSUER, URL, "revocation") == a_list()
    assert [note for note in notes if "cannot be remembered" in note]
    assert len(notes) == len(set(notes))


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
    assert known.newest(ISSUER, URL, "revocation") == a_list()
    assert known.newest(ISSUER, "https://oracle.example/never-seen", "revocation") is None


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


def test_a_list_is_recalled_for_the_purpose_that_the_document_names_it_for():
    known, value = InMemoryKnownLists(), World().credential()
    for purpose, url in LISTS.items():
        for other in LISTS:
            known.keep(a_list(url=url, purpose=other))
        assert known.newest(ISSUER, url, purpose) is not None
    found = recall(parsed(value), known, until=NOW).remembered
    assert set(found) == {name_of_list(ISSUER, url, purpose) for purpose, url in LISTS.items()}


def test_what_came_after_the_time_of_the_verdict_is_not_recalled():
    known, value = InMemoryKnownLists(), World().credential()
    known.keep(a_list(LATER))
    assert not recall(parsed(value), known, until=NOW - timedelta(hours=1)).remembered


def test_a_list_of_the_future_is_never_kept_though_the_verdict_was_one_for_a_time_to_come():
    known, memo = InMemoryKnownLists(), Memo()
    for url, issued in (("a", "2026-11-20T21:01:00Z"), ("b", "2026-11-20T21:01:01Z")):
        memo.worth_keeping[url] = a_list(issued, url=url)
    remember(memo, known, now=NOW, leeway_s=60)
    assert known.newest(ISSUER, "a", "revocation") is not None
    assert known.newest(ISSUER, "b", "revocation") is None


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
