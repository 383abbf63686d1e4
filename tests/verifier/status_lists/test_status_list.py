"""Which of two status lists counts: the one that is offered, or the one that this verifier has seen before."""

import json
from datetime import timedelta

import pytest

from tests.fakes.verifier import ENGINES as TOOLS
from tests.fakes.verifier import (
    INDEX,
    LISTS,
    NOW,
    RETRIEVED,
    Signatory,
    World,
    fetched,
    presentation,
    problems,
    put,
    signer,
)
from verifier import document
from verifier.case import Engines
from verifier.errors import FetchFailedError
from verifier.evidence import Evidence, KnownList, absent, name_of_list
from verifier.memo import Memo
from verifier.policy import Policy
from verifier.report import Outcome
from verifier.verify import Expectation, verify_credential, verify_presentation

REVOCATION, SUSPENSION = LISTS["revocation"], LISTS["suspension"]
EARLIER, LATER, FUTURE = "2026-11-20T20:00:11Z", "2026-11-20T20:30:00Z", "2026-11-20T21:02:00Z"


def a_list(issued=LATER, *, bits=(), purpose="revocation", issuer=None):
    """Return the body of a list of the world's issuer, issued and signed at ``issued``."""
    world = World(bits={purpose: set(bits)})
    if issuer is not None:
        world.issuer = issuer
    return json.dumps(world.status_list(purpose, put("issuanceDate", issued), created=issued)).encode()


def known(body, url=REVOCATION, issuer="did:web:oracle.example", purpose=None):
    issued = json.loads(body)["issuanceDate"] if body.startswith(b"{") else LATER
    purpose = purpose or ("revocation" if url == REVOCATION else "suspension")
    day = "2026-11-19T00:00:00Z"
    return KnownList(issuer=issuer, url=url, purpose=purpose, issued=issued, body=body, retrieved_at=day)


def named(url):
    return name_of_list("did:web:oracle.example", url, "revocation" if url == REVOCATION else "suspension")


def judged(world=None, *lists, memo=None, value=None):
    """Return the verdict on the good credential by a verifier that remembers ``lists``."""
    world = world or World()
    evidence = Evidence(remembered={item.name: item.as_evidence() for item in lists}).joined(world.evidence())
    parsed = document.parse(json.dumps(value or world.credential()).encode())
    return verify_credential(parsed, evidence, world.policy, world.now, engines=TOOLS, memo=memo)


def offering(body, url=REVOCATION, **world):
    return World(overrides={url: fetched(url, body)}, **world)


def without_host(url=REVOCATION, **world):
    gone = absent(url, FetchFailedError("no answer"), origin="network", retrieved_at=RETRIEVED)
    return World(overrides={url: gone}, **world)


# --- a list that goes back -----------------------------------------------------------------------------------


def test_an_older_list_than_the_one_remembered_does_not_hide_a_revocation():
    report = judged(offering(a_list(EARLIER)), known(a_list(LATER, bits={INDEX})))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "REVOKED")
    assert ("status", "warning", "STATUS_ROLLED_BACK") in problems(report)


def test_an_older_list_does_not_hide_a_suspension_either():
    later = a_list(LATER, bits={INDEX}, purpose="suspension")
    report = judged(offering(a_list(EARLIER, purpose="suspension"), SUSPENSION), known(later, SUSPENSION))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "SUSPENDED")


def test_a_list_that_goes_back_without_harm_is_a_warning_that_names_both_dates():
    report = judged(offering(a_list(EARLIER)), known(a_list(LATER)))
    assert report.outcome is Outcome.VERIFIED
    (found,) = [item for item in report.warnings if item.problem == "STATUS_ROLLED_BACK"]
    assert EARLIER in found.detail
    assert LATER in found.detail


def test_a_list_from_memory_is_not_fresh_however_the_other_came():
    world = offering(a_list(EARLIER), now=NOW + timedelta(days=40))
    assert ("status", "warning", "STALE_STATUS") in problems(judged(world, known(a_list(LATER))))


def test_a_remembered_list_that_is_older_changes_nothing():
    world, older = offering(a_list(LATER)), known(a_list(EARLIER))
    assert judged(world, older).checks == judged(world).checks


def test_a_suspension_may_end():
    world = offering(a_list(LATER, purpose="suspension"), SUSPENSION)
    older = known(a_list(EARLIER, bits={INDEX}, purpose="suspension"), SUSPENSION)
    assert judged(world, older).outcome is Outcome.VERIFIED


def test_the_list_remembered_as_it_is_offered_is_not_read_twice_nor_listed_twice():
    body = a_list(LATER)
    world = offering(body)
    with_memory, without = judged(world, known(body)), judged(world)
    assert with_memory.checks == without.checks
    assert [used.origin for used in with_memory.evidence] == [used.origin for used in without.evidence]


class Counting:
    """An engine that counts what it canonicalizes."""

    def __init__(self):
        self.documents = 0

    def canonicalize(self, value):
        self.documents += 1
        return TOOLS.closed.canonicalize(value)


def test_the_list_remembered_as_it_is_offered_costs_nothing():
    world, counts = World(), []
    value, offered = document.embedded(world.credential()), world.evidence()
    for lists in ((), offered.status_lists.values()):
        remembered = {named(one.url): one for one in lists}
        engine = Counting()
        evidence = Evidence(remembered=remembered).joined(offered)
        verify_credential(value, evidence, world.policy, world.now, engines=Engines(engine, engine))
        counts.append(engine.documents)
    assert counts[0] == counts[1] > 0


def test_what_was_remembered_and_counted_is_listed_in_the_report():
    report = judged(offering(a_list(EARLIER)), known(a_list(LATER)))
    origins = {used.origin for used in report.evidence if used.url == REVOCATION}
    assert origins == {"network", "memory"}


# --- a revocation never reverts ------------------------------------------------------------------------------


@pytest.mark.parametrize("issued", [LATER, EARLIER], ids=["later", "of the same second"])
def test_a_list_that_clears_a_revocation_does_not_clear_it_here(issued):
    report = judged(offering(a_list(issued)), known(a_list(EARLIER, bits={INDEX})))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "REVOKED")
    assert "cannot be taken back" in report.detail


def test_a_revocation_in_an_older_list_that_is_offered_counts_though_a_later_one_had_taken_it_back():
    report = judged(offering(a_list(EARLIER, bits={INDEX})), known(a_list(LATER)))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "REVOKED")


def test_of_two_lists_of_the_same_second_the_one_offered_counts_otherwise():
    report = judged(offering(a_list(LATER, bits={INDEX})), known(a_list(LATER)))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "REVOKED")
    assert judged(offering(a_list(LATER)), known(a_list(LATER, bits={7}))).outcome is Outcome.VERIFIED


# --- a host that does not answer -----------------------------------------------------------------------------


@pytest.mark.parametrize("world", [without_host(), World(without={REVOCATION})], ids=["no answer", "not asked"])
def test_a_remembered_revocation_counts_without_its_host(world):
    report = judged(world, known(a_list(LATER, bits={INDEX})))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "REVOKED")


def test_what_was_clear_last_time_is_not_valid_without_the_host_and_the_report_says_what_was_known():
    report = judged(without_host(), known(a_list(LATER)))
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "STATUS_RETRIEVAL_ERROR")
    assert f"was clear in the list of {LATER}" in report.detail


def test_a_remembered_suspension_may_have_ended_since():
    later = known(a_list(LATER, bits={INDEX}, purpose="suspension"), SUSPENSION)
    report = judged(without_host(SUSPENSION), later)
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "STATUS_RETRIEVAL_ERROR")
    assert f"was set in the list of {LATER}" in report.detail


# --- what does not count -------------------------------------------------------------------------------------

FORGED = json.dumps(
    Signatory(signer(5), "did:web:oracle.example").sign(
        {name: part for name, part in json.loads(a_list(LATER, bits={INDEX})).items() if name != "proof"}
    )
).encode()


@pytest.mark.parametrize(
    "body",
    [a_list(FUTURE, bits={INDEX}), a_list(LATER, bits={INDEX}, purpose="suspension"), b"damaged"],
    ids=["of the future", "another list", "no JSON"],
)
def test_what_is_no_such_list_counts_for_nothing_though_it_is_remembered(body):
    world = offering(a_list(EARLIER))
    assert judged(world, known(body)).checks == judged(world).checks


def test_a_verdict_for_an_earlier_time_does_not_see_what_came_later():
    world = offering(a_list(EARLIER), now=NOW - timedelta(minutes=40))
    world.policy = Policy(leeway_s=0)
    value = world.credential(created="2026-11-20T20:01:05Z")
    report = judged(world, known(a_list(LATER, bits={INDEX})), value=value)
    assert report.outcome is Outcome.VERIFIED


def test_the_list_of_another_issuer_at_the_same_url_counts_for_nothing():
    other = Signatory(signer(9), "did:web:other.example")
    foreign = known(a_list(LATER, bits={INDEX}, issuer=other), issuer=other.did)
    assert judged(offering(a_list(EARLIER)), foreign).outcome is Outcome.VERIFIED


def test_a_list_that_is_offered_and_does_not_verify_is_refused_whatever_is_remembered():
    report = judged(offering(FORGED), known(a_list(LATER)))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "STATUS_VERIFICATION_ERROR")


# --- what is worth keeping -----------------------------------------------------------------------------------


def kept(world, *lists):
    memo = Memo()
    judged(world, *lists, memo=memo)
    return {name: item.issued for name, item in memo.worth_keeping.items() if REVOCATION in name}


NAME = named(REVOCATION)


def test_a_list_that_verified_is_worth_keeping_as_it_came():
    memo, body = Memo(), a_list(LATER)
    judged(offering(body), memo=memo)
    assert memo.worth_keeping[NAME] == KnownList(
        issuer="did:web:oracle.example",
        url=REVOCATION,
        purpose="revocation",
        issued=LATER,
        body=body,
        retrieved_at=RETRIEVED,
    )
    assert set(memo.worth_keeping) == {NAME, named(SUSPENSION)}


def test_a_later_list_is_worth_keeping_and_an_older_or_equal_one_is_not():
    assert kept(offering(a_list(LATER)), known(a_list(EARLIER))) == {NAME: LATER}
    assert kept(offering(a_list(EARLIER)), known(a_list(LATER))) == {}
    same = a_list(LATER)
    assert kept(offering(same), known(same)) == {}


def test_a_later_list_that_takes_a_revocation_back_is_not_kept():
    assert kept(offering(a_list(LATER)), known(a_list(EARLIER, bits={3}))) == {}
    assert kept(offering(a_list(LATER, bits={3, 4})), known(a_list(EARLIER, bits={3}))) == {NAME: LATER}


def test_what_does_not_verify_is_not_kept():
    assert kept(offering(FORGED)) == {}
    assert kept(offering(a_list(FUTURE))) == {}
    assert kept(without_host()) == {}


def test_what_only_a_trusted_folder_vouches_for_is_not_kept():
    trusting = World(origin="folder", policy=Policy(trust_evidence=True))
    assert kept(trusting) == {}
    pin = trusting.issuer.key.public_key.thumbprint_uri
    assert kept(World(origin="folder", policy=Policy(pinned_keys={trusting.issuer.did: (pin,)})))


def test_a_presentation_remembers_too():
    world, memo = World(), Memo()
    later = known(a_list(LATER, bits={INDEX}))
    evidence = Evidence(remembered={later.name: later.as_evidence()}).joined(world.evidence())
    parsed = document.embedded_presentation(presentation(world.credential()))
    expected = Expectation("c-1", "audit.example")
    report = verify_presentation(parsed, evidence, world.policy, expected, world.now, engines=TOOLS, memo=memo)
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "REVOKED")
    assert named(SUSPENSION) in memo.worth_keeping
