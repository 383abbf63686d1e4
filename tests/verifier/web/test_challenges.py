"""Challenges: given out, used once, over in time, in however many processes."""

import sqlite3
import stat
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from multiprocessing import get_context

import pytest

from tests.fakes.verifier import NOW
from verifier.errors import OverloadedError, UsageError
from verifier.presentation import Expectation, Standing
from verifier.web.challenges import PREFIX, Challenges


@pytest.fixture
def challenges():
    opened = Challenges()
    yield opened
    opened.close()


def standing(challenges, challenge, domain=None, now=NOW):
    return challenges.redeem(Expectation(challenge, domain), now).standing


def test_a_challenge_has_192_random_bits_and_is_known_by_its_beginning(challenges):
    made = {challenges.issue(None, NOW).challenge for _ in range(100)}
    assert len(made) == 100
    assert {len(challenge) for challenge in made} == {len(PREFIX) + 32}
    assert all(challenge.startswith("gcv_") for challenge in made)


def test_a_challenge_counts_once(challenges):
    issued = challenges.issue(None, NOW)
    assert standing(challenges, issued.challenge) is Standing.GOOD
    assert [standing(challenges, issued.challenge) for _ in range(2)] == [Standing.SPENT] * 2


def test_a_challenge_counts_until_its_time_is_over(challenges):
    issued = challenges.issue(None, NOW)
    assert issued.expires == NOW + timedelta(seconds=300)
    late = challenges.issue(None, NOW)
    assert standing(challenges, issued.challenge, now=NOW + timedelta(seconds=299)) is Standing.GOOD
    assert standing(challenges, late.challenge, now=NOW + timedelta(seconds=300)) is Standing.UNKNOWN


def test_who_tries_too_late_has_used_it_all_the_same(challenges):
    issued = challenges.issue(None, NOW)
    standing(challenges, issued.challenge, now=NOW + timedelta(seconds=300))
    assert standing(challenges, issued.challenge) is Standing.SPENT


@pytest.mark.parametrize("challenge", [PREFIX, PREFIX + "A" * 32, "gcv_é"])
def test_what_looks_like_ours_and_was_not_given_out_is_unknown(challenges, challenge):
    assert standing(challenges, challenge) is Standing.UNKNOWN


@pytest.mark.parametrize("challenge", ["c-1", "GCV_x", None])
def test_a_challenge_of_another_make_is_left_to_its_maker(challenges, challenge):
    expected = Expectation(challenge, "audit.example")
    for _ in range(2):
        assert challenges.redeem(expected, NOW) == expected


def test_a_challenge_for_a_domain_is_held_to_it(challenges):
    issued = challenges.issue("audit.example", NOW)
    assert issued.domain == "audit.example"
    assert challenges.redeem(Expectation(issued.challenge), NOW) == Expectation(issued.challenge, "audit.example")


@pytest.mark.parametrize("domain", ["evil.example", "AUDIT.example", ""])
def test_a_challenge_for_a_domain_does_not_count_for_another_and_is_spent(challenges, domain):
    challenge = challenges.issue("audit.example", NOW).challenge
    assert standing(challenges, challenge, domain) is Standing.FOR_ANOTHER_DOMAIN
    assert standing(challenges, challenge, "audit.example") is Standing.SPENT


def test_a_challenge_for_no_domain_leaves_it_to_the_request(challenges):
    challenge = challenges.issue(None, NOW).challenge
    assert challenges.redeem(Expectation(challenge, "audit.example"), NOW).domain == "audit.example"


def test_no_more_are_outstanding_than_the_bound_until_the_old_ones_expire():
    challenges = Challenges(max_outstanding=2, life_s=10)
    first = challenges.issue(None, NOW)
    challenges.issue(None, NOW)
    with pytest.raises(OverloadedError):
        challenges.issue(None, NOW)
    # A challenge that was used is remembered as such until its end.
    standing(challenges, first.challenge)
    with pytest.raises(OverloadedError):
        challenges.issue(None, NOW)
    assert challenges.issue(None, NOW + timedelta(seconds=10)).challenge


# --- the file ------------------------------------------------------------------------------------------------


def test_the_file_is_its_owners_alone_and_holds_no_challenge_that_could_be_used(tmp_path):
    file = tmp_path / "state" / "challenges.sqlite"
    challenges = Challenges(file)
    issued = challenges.issue("audit.example", NOW)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert issued.challenge.encode() not in file.read_bytes()
    challenges.close()


def test_what_was_given_out_and_used_outlives_the_process(tmp_path):
    first = Challenges(tmp_path / "c.sqlite")
    used, unused = first.issue(None, NOW).challenge, first.issue(None, NOW).challenge
    standing(first, used)
    first.close()
    second = Challenges(tmp_path / "c.sqlite")
    assert standing(second, used) is Standing.SPENT
    assert standing(second, unused) is Standing.GOOD
    second.close()


def test_of_many_threads_over_two_openings_of_a_file_exactly_one_gets_it(tmp_path):
    opened = [Challenges(tmp_path / "c.sqlite") for _ in range(2)]
    challenge = opened[0].issue(None, NOW).challenge
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda number: standing(opened[number % 2], challenge), range(16)))
    assert sorted(found) == [Standing.GOOD] + [Standing.SPENT] * 15
    for one in opened:
        one.close()


def _redeem_all(file, made):
    challenges = Challenges(file)
    return [standing(challenges, challenge) for challenge in made]


def test_of_two_processes_exactly_one_gets_each(tmp_path):
    file = tmp_path / "c.sqlite"
    challenges = Challenges(file)
    made = [challenges.issue(None, NOW).challenge for _ in range(30)]
    challenges.close()
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        one, other = pool.map(_redeem_all, [file, file], [made, made[::-1]])
    assert [{a, b} for a, b in zip(one, reversed(other), strict=True)] == [{Standing.GOOD, Standing.SPENT}] * 30


def test_a_file_that_is_no_database_stops_the_start(tmp_path):
    (tmp_path / "c.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 10)
    with pytest.raises(UsageError, match=r"c\.sqlite"):
        Challenges(tmp_path / "c.sqlite")


def test_a_folder_that_cannot_be_made_stops_the_start(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="cannot be used"):
        Challenges(tmp_path / "file" / "c.sqlite")


def test_where_the_file_cannot_be_read_nobody_is_let_through(tmp_path):
    challenges = Challenges(tmp_path / "c.sqlite")
    challenge = challenges.issue(None, NOW).challenge
    other = sqlite3.connect(tmp_path / "c.sqlite")
    other.execute("DROP TABLE challenge")
    other.close()
    with pytest.raises(OverloadedError):
        standing(challenges, challenge)
    with pytest.raises(OverloadedError):
        challenges.issue(None, NOW)
    challenges.close()
