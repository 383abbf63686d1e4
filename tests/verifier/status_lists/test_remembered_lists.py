"""What a remembered list still says when today it would not be taken: its validity is over, or its key is gone."""

import json

import pytest

from did.documents import PublishedKey
from tests.fakes.verifier import INDEX, LISTS, NOW, World, fetched, put, signer
from tests.verifier.status_lists.test_status_list import (
    EARLIER,
    LATER,
    REVOCATION,
    SUSPENSION,
    a_list,
    judged,
    known,
    without_host,
)
from verifier.evidence import Evidence
from verifier.policy import Policy
from verifier.report import Outcome

ENDED = "2026-11-20T20:45:00Z"
OTHER_KEY = signer(21)


def signed_by(key, issued, *, bits=(), purpose="revocation", changes=()):
    """Return the body of a list of the world's issuer, signed by a key of its own beside ``key-1``."""
    world = World(bits={purpose: set(bits)})
    world.issuer.key, world.issuer.key_id = key, "key-2"

    def change(value):
        put("issuanceDate", issued)(value)
        for one in changes:
            one(value)

    return json.dumps(world.status_list(purpose, change, created=issued)).encode()


def world_with(*keys, offered=None, url=REVOCATION, **world):
    """Return a world whose DID document has ``keys`` beside that of the credential, and where ``offered`` is served."""
    built = World(**world)
    own = PublishedKey("key-1", built.issuer.key.public_key)
    did_document = built.issuer.document(own, *keys)
    built.overrides[built.issuer.did] = fetched("https://oracle.example/.well-known/did.json", did_document)
    built.overrides[url] = fetched(url, offered or a_list(EARLIER))
    return built


def verdict(report):
    return report.outcome, report.problem


# --- the end of its validity ---------------------------------------------------------------------------------


def ended(*, bits=(), purpose="revocation"):
    world = World(bits={purpose: set(bits)})

    def change(value):
        value |= {"issuanceDate": LATER, "expirationDate": ENDED}

    return json.dumps(world.status_list(purpose, change, created=LATER)).encode()


def test_a_revocation_holds_beyond_the_end_of_the_list_that_showed_it():
    report = judged(world_with(), known(ended(bits={INDEX})))
    assert verdict(report) == (Outcome.REFUSED, "REVOKED")
    assert "its validity is over" in report.detail


def test_a_revocation_holds_beyond_the_end_of_its_list_without_the_host_too():
    assert verdict(judged(without_host(), known(ended(bits={INDEX})))) == (Outcome.REFUSED, "REVOKED")


def test_a_later_list_that_has_ended_still_shows_that_the_one_offered_was_rolled_back():
    # What it left clear may have been set since, and what is offered is older still.
    report = judged(world_with(), known(ended()))
    assert verdict(report) == (Outcome.INCONCLUSIVE, "STALE_STATUS")
    assert "STATUS_ROLLED_BACK" in {item.problem for item in report.warnings}


def test_a_list_that_has_ended_does_not_outdo_a_later_one():
    report = judged(world_with(offered=a_list("2026-11-20T20:50:00Z")), known(ended()))
    assert report.outcome is Outcome.VERIFIED


# --- a key that is gone --------------------------------------------------------------------------------------


def test_a_revocation_holds_though_the_key_that_signed_it_has_left_the_document():
    report = judged(world_with(), known(signed_by(OTHER_KEY, LATER, bits={INDEX})))
    assert verdict(report) == (Outcome.REFUSED, "REVOKED")
    assert "its signature does not count now" in report.detail


def test_a_revocation_holds_though_another_key_bears_the_name_of_the_one_that_signed_it():
    world = world_with(PublishedKey("key-2", signer(22).public_key))
    assert verdict(judged(world, known(signed_by(OTHER_KEY, LATER, bits={INDEX})))) == (Outcome.REFUSED, "REVOKED")


def test_a_rollback_shows_though_the_key_of_the_later_list_is_gone():
    report = judged(world_with(), known(signed_by(OTHER_KEY, LATER)))
    assert report.outcome is Outcome.VERIFIED
    assert "STATUS_ROLLED_BACK" in {item.problem for item in report.warnings}


REVOKED_KEY = PublishedKey("key-2", OTHER_KEY.public_key, "revoked", revoked=NOW)


def test_what_a_revoked_key_has_revoked_is_in_doubt_and_never_valid():
    # Its thief may have signed that list; its owner may also want to be rid of a revocation.
    report = judged(world_with(REVOKED_KEY), known(signed_by(OTHER_KEY, LATER, bits={INDEX})))
    assert verdict(report) == (Outcome.INCONCLUSIVE, "STATUS_IN_DOUBT")
    assert "revoked at" in report.detail


def test_what_a_key_has_revoked_that_is_not_pinned_is_in_doubt():
    pin = World().issuer.key.public_key.thumbprint_uri
    world = world_with(
        PublishedKey("key-2", OTHER_KEY.public_key), policy=Policy(pinned_keys={"did:web:oracle.example": (pin,)})
    )
    report = judged(world, known(signed_by(OTHER_KEY, LATER, bits={INDEX})))
    assert verdict(report) == (Outcome.INCONCLUSIVE, "STATUS_IN_DOUBT")


def test_what_a_revoked_key_left_clear_clears_nothing():
    offered = a_list(EARLIER, bits={INDEX}, purpose="suspension")
    world = world_with(REVOKED_KEY, offered=offered, url=SUSPENSION)
    later = known(signed_by(OTHER_KEY, LATER, purpose="suspension", changes=[put("id", SUSPENSION)]), SUSPENSION)
    assert verdict(judged(world, later)) == (Outcome.REFUSED, "SUSPENDED")


def test_a_doubtful_revocation_does_not_become_clear_without_its_host():
    world = world_with(REVOKED_KEY)
    del world.overrides[REVOCATION]
    world.without.add(REVOCATION)
    report = judged(world, known(signed_by(OTHER_KEY, LATER, bits={INDEX})))
    assert verdict(report) == (Outcome.INCONCLUSIVE, "STATUS_IN_DOUBT")


# --- what a folder calls remembered --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "outcome", "problem"),
    [({INDEX}, Outcome.INCONCLUSIVE, "STATUS_IN_DOUBT"), ((), Outcome.VERIFIED, None)],
    ids=["set", "clear"],
)
def test_a_list_that_only_a_folder_calls_remembered_decides_nothing_unless_it_verifies(bits, outcome, problem):
    world, item = world_with(), known(signed_by(OTHER_KEY, LATER, bits=bits))
    claimed = fetched(LISTS["revocation"], item.body, origin="folder")
    evidence = Evidence(remembered={item.name: claimed}).joined(world.evidence())
    assert verdict(world.report(evidence=evidence)) == (outcome, problem)


# --- another purpose -----------------------------------------------------------------------------------------


def test_a_remembered_list_of_another_purpose_at_the_same_url_stands_beside():
    swapped = World().status_list(
        "suspension", lambda value: (put("id", REVOCATION)(value), put("issuanceDate", LATER)(value)), created=LATER
    )
    both = (
        known(a_list(EARLIER, bits={INDEX})),
        known(json.dumps(swapped).encode(), purpose="suspension"),
    )
    assert verdict(judged(World(), *both)) == (Outcome.REFUSED, "REVOKED")
    assert verdict(judged(World(), *reversed(both))) == (Outcome.REFUSED, "REVOKED")
