"""A folder of status lists that several processes share, and that strangers fill."""

import fcntl
import os

import pytest

from tests.verifier.status_lists.test_known import EARLIER, ISSUER, LATER, URL, Notes, a_list, bits
from verifier.status_lists.known_folder import FolderKnownLists
from verifier.status_lists.shares import LEAST_BYTES


@pytest.fixture
def notes():
    return Notes()


def opened(tmp_path, notes, **bounds):
    """Return the folder as one process has it open."""
    return FolderKnownLists(tmp_path / "lists", note=notes, **bounds)


def is_there(known, url, issuer=ISSUER):
    return known.newest(issuer, url, "revocation") is not None


def files(tmp_path):
    return list((tmp_path / "lists").glob("*.known-list"))


# --- several processes ---------------------------------------------------------------------------------------


def test_what_another_process_has_seen_since_is_noticed(tmp_path, notes):
    first, second = opened(tmp_path, notes), opened(tmp_path, notes)
    first.keep(a_list(EARLIER, body=bits()))
    assert second.newest(ISSUER, URL, "revocation").issued == EARLIER
    first.keep(a_list(LATER, body=bits(3)))
    assert second.newest(ISSUER, URL, "revocation").body == bits(3)


def test_a_process_that_has_not_seen_a_revocation_does_not_erase_it(tmp_path, notes):
    first, second = opened(tmp_path, notes), opened(tmp_path, notes)
    second.keep(a_list("2026-11-20T20:00:00Z", body=bits()))
    first.keep(a_list(EARLIER, body=bits(3)))
    second.keep(a_list(LATER, body=bits()))
    for known in (first, second, opened(tmp_path, notes)):
        assert known.newest(ISSUER, URL, "revocation").body == bits(3)


def test_a_process_that_could_not_write_still_learns_of_a_revocation_that_another_one_saw(tmp_path, notes):
    first, second = opened(tmp_path, notes), opened(tmp_path, notes, lock_timeout_s=0)
    first.keep(a_list("2026-11-20T20:00:00Z", body=bits()))
    with (tmp_path / "lists" / "lock").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        second.keep(a_list(LATER, body=bits()))
    first.keep(a_list(EARLIER, body=bits(3)))
    assert second.newest(ISSUER, URL, "revocation").body == bits(3)


def test_what_could_not_be_written_at_its_time_is_written_with_the_next_list(tmp_path, notes):
    (tmp_path / "lists").write_bytes(b"a file in the way")
    known = opened(tmp_path, notes)
    known.keep(a_list(EARLIER, body=bits(3)))
    (tmp_path / "lists").unlink()
    known.keep(a_list(LATER, body=bits()))
    assert opened(tmp_path, notes).newest(ISSUER, URL, "revocation").body == bits(3)


def test_a_list_that_is_kept_again_is_not_written_again(tmp_path, notes):
    known = opened(tmp_path, notes)
    known.keep(a_list())
    (file,) = files(tmp_path)
    before = file.stat().st_ino
    known.keep(a_list())
    assert file.stat().st_ino == before


# --- strangers -----------------------------------------------------------------------------------------------


def test_a_stranger_with_many_issuers_drives_nobody_out_of_the_folder(tmp_path, notes):
    known = opened(tmp_path, notes, max_bytes=4 * LEAST_BYTES)
    known.keep(a_list())
    for number in range(10):
        known.keep(a_list(issuer=f"did:key:z{number}", url=f"https://host-{number}.evil.example/list"))
    assert len(files(tmp_path)) == 4
    assert is_there(opened(tmp_path, notes), URL)


def test_of_one_host_the_list_used_longest_ago_goes_first(tmp_path, notes):
    known = opened(tmp_path, notes, max_bytes=3 * LEAST_BYTES)
    urls = [f"https://oracle.example/{number}" for number in range(4)]
    for age, url in enumerate(urls[:3]):
        before = set(files(tmp_path))
        known.keep(a_list(url=url))
        (file,) = set(files(tmp_path)) - before
        os.utime(file, (1_000_000 + age, 1_000_000 + age))
        assert is_there(known, url)
        os.utime(file, (1_000_000 + age, 1_000_000 + age))
    # From memory: no reading of the file tells of it.
    assert is_there(known, urls[0])
    known.keep(a_list(url=urls[3]))
    assert [is_there(opened(tmp_path, notes), url) for url in urls] == [True, False, True, True]


def test_the_folder_is_bounded_in_bytes(tmp_path, notes):
    known = opened(tmp_path, notes, max_bytes=3 * LEAST_BYTES)
    for number in range(8):
        known.keep(a_list(url=f"https://oracle.example/{number}"))
    assert len(files(tmp_path)) == 3
    assert is_there(opened(tmp_path, notes), "https://oracle.example/7")


def test_a_folder_that_cannot_be_read_is_told_and_is_an_empty_one(tmp_path, notes):
    (tmp_path / "lists").write_bytes(b"a file in the way")
    assert not is_there(opened(tmp_path, notes), URL)
    assert [note for note in notes if "cannot be read" in note]
