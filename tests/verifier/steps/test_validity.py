"""The step validity: begin, end, leeway, and the proof's own date."""

from datetime import UTC, datetime, timedelta

import pytest

from did.jws import sign_detached
from tests.fakes.verifier import ENGINE, HOLDER, NOW, World, edited, judge_presentation, presentation, problems, put
from verifier.report import Outcome, Result
from verifier.suites.json_web_signature_2020 import hash_data


def report(*, now=NOW, change=lambda document: None, created="2026-11-20T20:01:05Z"):
    world = World(now=now)
    return world.report(world.credential(change, created=created))


def at(text):
    return put("expirationDate", text)


def test_a_credential_without_an_end_is_valid_after_its_beginning():
    assert report().check("validity").result is Result.PASSED


def test_before_its_beginning_a_credential_is_not_yet_valid():
    found = report(now=NOW - timedelta(hours=1, seconds=-4))
    assert found.check("validity").problem == "NOT_YET_VALID"


def test_clocks_may_differ_by_the_leeway():
    assert report(now=NOW - timedelta(minutes=59, seconds=50)).check("validity").result is Result.PASSED


def test_after_its_end_a_credential_has_expired():
    found = report(change=at("2026-11-20T20:58:59Z"))
    assert (found.outcome, found.problem) == (Outcome.REFUSED, "EXPIRED")


def test_the_end_has_the_same_leeway():
    assert report(change=at("2026-11-20T20:59:30Z")).check("validity").result is Result.PASSED


def test_an_end_before_the_beginning_is_a_contradiction():
    assert report(change=at("2026-11-20T19:00:00Z")).check("validity").problem == "CLAIM_INCONSISTENT"


def test_a_proof_of_the_future_is_refused():
    assert report(created="2026-11-20T21:05:00Z").check("validity").problem == "NOT_YET_VALID"


def test_a_proof_made_long_before_the_credential_is_pointed_out():
    found = report(created="2019-11-20T20:01:05Z")
    assert ("validity", "warning", "PROOF_DATE") in problems(found)
    assert found.outcome is Outcome.VERIFIED


@pytest.mark.parametrize(
    "created", ["yesterday", "2026-11-20T20:01:05", "2026-11-20T23:59:60Z", "+12026-11-20T20:01:05Z"]
)
def test_a_date_that_cannot_be_read_is_refused(created):
    world = World()
    found = world.report(edited(world.credential(), put("proof.created", created)))
    assert found.check("validity").problem == "MALFORMED_VALUE_ERROR"
    assert found.outcome is Outcome.REFUSED


def with_expiry(value, signatory, expires):
    """Return a document signed anew, its proof's own end among what is signed."""
    options = {name: member for name, member in value["proof"].items() if name != "jws"} | {"expires": expires}
    unsecured = {name: member for name, member in value.items() if name != "proof"}
    jws = sign_detached(hash_data(unsecured, options, ENGINE), signatory.key, "ES256")
    return {**unsecured, "proof": {**options, "jws": jws}}


@pytest.mark.parametrize(
    ("expires", "outcome"), [("2026-11-20T20:58:59Z", Outcome.REFUSED), ("2026-11-20T21:30:00Z", Outcome.VERIFIED)]
)
def test_a_proof_counts_until_its_own_end_only(expires, outcome):
    world = World()
    value = world.credential(put("type", ["VerifiableCredential"]))
    found = world.report(with_expiry(value, world.issuer, expires))
    assert found.outcome is outcome
    assert found.problem == ("EXPIRED" if outcome is Outcome.REFUSED else None)


def test_the_proof_of_a_presentation_has_an_end_too():
    world = World()
    value = with_expiry(presentation(world.credential()), HOLDER, "2026-11-20T20:58:59Z")
    found = judge_presentation(world, value)
    assert (found.outcome, found.problem) == (Outcome.REFUSED, "EXPIRED")


def test_a_presentation_of_the_future_is_refused():
    world = World(now=NOW - timedelta(minutes=10))
    found = judge_presentation(world, presentation(world.credential()))
    assert ("validity", "failed", "NOT_YET_VALID") in problems(found)


@pytest.mark.parametrize("now", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)])
def test_the_first_and_the_last_moment_of_the_calendar_get_a_verdict(now):
    found = report(now=now, change=at("9000-01-01T00:00:00Z"))
    assert found.check("validity").problem in {"NOT_YET_VALID", "EXPIRED"}
