"""The carbon intensity computed again from its slots: each change of them, or of what is claimed, is found and named."""

import copy
import json

import pytest

from schemas import digests
from tests.fakes.grid_documents import (
    READ,
    beside,
    posted,
    raw_of,
    slots_from,
    straddling,
    us,
)
from tests.fakes.verifier import World, example
from verifier.policy import Policy
from verifier.report import Outcome, Result, findings_of

TWO = slots_from("2026-11-20T20:00:00Z", ["300", "420.5"])
TRUSTING = Policy(trusted_issuers=("did:web:oracle.example",))


@pytest.fixture(scope="module")
def world():
    return straddling()


@pytest.fixture(scope="module")
def base(world):
    return world.evidence()


def judged(world, base, document, policy=TRUSTING, **claims):
    world.policy = policy
    return world.report(posted(world, document, **claims), beside(base, document))


def grid(report):
    return report.check("grid")


def refusal(report):
    """Return the problem and the term that the grid step names first."""
    assert report.outcome is Outcome.REFUSED, report.checks
    first = next(finding for finding in findings_of(grid(report)) if finding.result is Result.FAILED)
    return first.problem, first.detail.partition(":")[0]


# --- what holds ----------------------------------------------------------------------------------------------


def test_a_mean_over_two_slots_is_computed_again(world, base):
    report = judged(world, base, TWO)
    assert (report.outcome, report.warned_of) == (Outcome.VERIFIED, ())
    check = grid(report)
    assert check.result is Result.PASSED
    # 1.5 s of 2.75 s in the first slot: (300 x 1.5 + 420.5 x 1.25) / 2.75, by whole millijoules.
    assert check.detail.startswith("354.773 g/kWh is the mean of its slots by energy; zone DE, Electricity Maps v4")
    assert "2 slots of PT5M, history, lifecycle average" in check.detail
    assert check.detail.endswith(digests.digest(raw_of(TWO)))


def test_the_report_has_the_intensity_in_members_and_in_a_line(world, base):
    shown = judged(world, base, TWO).grid
    assert shown.line == "DE, 354.773 g/kWh (history, Electricity Maps v4, PT5M, 2 slots, lifecycle)"
    assert (shown.zone, shown.slots, shown.provider, shown.tier) == ("DE", 2, "electricity-maps", "history")
    assert shown.digest == digests.digest(raw_of(TWO))
    provisional = judged(world, base, TWO, claimStatus="provisional")
    assert provisional.grid.line.endswith(", lifecycle), provisional")
    assert provisional.warned_of == ("PROVISIONAL",)


def test_an_annual_average_has_no_slots_to_compute_it_from(base):
    report = World(policy=TRUSTING).report()
    assert (report.outcome, grid(report).result) == (Outcome.VERIFIED, Result.SKIPPED)
    assert report.grid.line == "CAMX, 195.03 g/kWh (subregion-annual, US EPA eGRID2023 rev 2, P1Y, 2023, direct)"
    assert json.loads(report.to_json())["grid"]["year"] == "2023"


def test_a_record_without_a_duration_is_the_moment_before_its_end():
    world = straddling(duration_s=None)
    second = slots_from("2026-11-20T20:05:00Z", ["420.5"])
    assert judged(world, world.evidence(), second).outcome is Outcome.VERIFIED
    assert refusal(judged(world, world.evidence(), TWO)) == ("CLAIM_INCONSISTENT", "gridDataDigest")


def test_without_energy_the_time_weighs():
    world = straddling(energy_kwh="0")
    assert judged(world, world.evidence(), TWO).outcome is Outcome.VERIFIED
    assert refusal(judged(world, world.evidence(), TWO, intensity="360.25"))[1] == "carbonIntensityGco2ePerKwh"


def test_provisional_is_never_wrong_but_told(world, base):
    estimate = changed_slot(TWO, 1, estimated=True, estimation_method="FORECAST")
    report = judged(world, base, estimate, claimStatus="provisional")
    assert (report.outcome, report.warned_of) == (Outcome.VERIFIED, ("PROVISIONAL",))
    assert "some may still change" in grid(report).detail


# --- what is not at hand, or another -------------------------------------------------------------------------


def test_slots_that_are_not_at_hand_are_a_warning(world, base):
    world.policy = TRUSTING
    report = world.report(posted(world, TWO), base)
    assert (report.outcome, report.warned_of) == (Outcome.VERIFIED, ("EVIDENCE_NOT_CHECKED",))
    assert "slots not at hand" in report.grid.line


@pytest.mark.parametrize("policy", [Policy(require_evidence=True), Policy(require_grid_data=True)])
def test_slots_that_are_not_at_hand_are_inconclusive_where_they_are_required(world, base, policy):
    world.policy = policy
    report = world.report(posted(world, TWO), base)
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "EVIDENCE_NOT_CHECKED")
    assert world.report(posted(world, TWO), beside(base, TWO)).outcome is Outcome.VERIFIED


def leaves(value, path=()):
    """Yield the path of every member and item."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, key)
        yield from leaves(value[key], (*path, key))


def other(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return value + "x" if isinstance(value, str) else None


@pytest.mark.parametrize("path", [*leaves(TWO)], ids=str)
def test_any_other_bytes_than_those_that_were_signed_are_refused(world, base, path):
    document = copy.deepcopy(TWO)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = other(parent[path[-1]])
    world.policy = TRUSTING
    signed = posted(world, TWO)
    report = world.report(signed, beside(base, document, name=digests.digest(raw_of(TWO))))
    assert refusal(report) == ("EVIDENCE_MISMATCH", "gridDataDigest")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"{" * 1000,
        raw_of(TWO) + b" ",
        raw_of({**TWO, "slots": []}),
        raw_of({**TWO, "more": 1}),
        raw_of({**TWO, "v": 2}),
        raw_of({**TWO, "licence": "x" * 600_000}),
        raw_of(slots_from("2026-11-20T20:00:00Z", ["300"] * 1025)),
    ],
    ids=range(11),
)
def test_bytes_that_are_no_slots_are_refused(world, base, raw):
    world.policy = TRUSTING
    signed = posted(world, TWO, gridDataDigest=digests.digest(raw))
    assert refusal(world.report(signed, beside(base, raw))) == ("EVIDENCE_MISMATCH", "gridDataDigest")


# --- an issuer that lies -------------------------------------------------------------------------------------


def changed_slot(document, place, **changes):
    value = copy.deepcopy(document)
    value["slots"][place] |= changes
    return value


INCONSISTENT = "CLAIM_INCONSISTENT"
REGION, SOURCE, INTENSITY = "gridRegion", "carbonIntensitySource", "carbonIntensityGco2ePerKwh"
DIGEST, TIER, KIND = "gridDataDigest", "carbonIntensityTier", "emissionFactorType"
GRANULARITY, STATUS = "carbonIntensityGranularity", "claimStatus"
FIVE = us("2026-11-20T20:05:00Z")

# What the credential truthfully says of TWO, beside other slots that its digest names.
OTHER_SLOTS = {
    "another zone": ({**TWO, "zone": "FR"}, REGION),
    "another source": ({**TWO, "source": "Electricity Maps v3"}, SOURCE),
    "direct": ({**TWO, "factor_type": "direct"}, KIND),
    "marginal": ({**TWO, "signal": "marginal"}, INTENSITY),
    "another tier": (changed_slot(TWO, 0, tier="live"), TIER),
    "the operator's own": (changed_slot(changed_slot(TWO, 0, tier="operator"), 1, tier="operator"), TIER),
    "another figure": (changed_slot(TWO, 0, gco2e_per_kwh="300.1"), INTENSITY),
    "the figures the other way round": (slots_from("2026-11-20T20:00:00Z", ["420.5", "300"]), INTENSITY),
    "an estimate": (changed_slot(TWO, 1, estimated=True), STATUS),
    "read too early": (changed_slot(TWO, 1, retrieved_us=FIVE + 1), DIGEST),
    "read after the credential was issued": (changed_slot(TWO, 1, retrieved_us=us("2026-11-20T20:56:02Z")), DIGEST),
    "another hour": (slots_from("2026-11-20T19:00:00Z", ["300", "420.5"]), DIGEST),
    "another day": (slots_from("2026-11-19T20:00:00Z", ["300", "420.5"]), DIGEST),
    "the beginning alone": (slots_from("2026-11-20T20:00:00Z", ["300"]), DIGEST),
    "the end alone": (slots_from("2026-11-20T20:05:00Z", ["420.5"]), DIGEST),
    "one slot more before": (slots_from("2026-11-20T19:55:00Z", ["100", "300", "420.5"]), DIGEST),
    "one slot more after": (slots_from("2026-11-20T20:00:00Z", ["300", "420.5", "100"]), DIGEST),
    "another resolution": (slots_from("2026-11-20T20:00:00Z", ["300"], "PT15M"), GRANULARITY),
}


@pytest.mark.parametrize("name", OTHER_SLOTS)
def test_slots_that_are_not_those_of_the_claims_are_refused_and_the_term_is_named(world, base, name):
    document, term = OTHER_SLOTS[name]
    world.policy = TRUSTING
    signed = posted(world, TWO, gridDataDigest=digests.digest(raw_of(document)))
    problem, named = refusal(world.report(signed, beside(base, document)))
    assert (problem, named) == (INCONSISTENT, term)


# Nobody can see these from a credential: they tell an auditor what to ask the provider for.
THE_ISSUERS_WORD = {"provider", "licence", "endpoint", "reply_digest", "updated_us"}

# By the member: what else it could be, and the term that is named then.
OTHER_MEMBERS = {
    "v": (2, DIGEST),
    "source": ("another", SOURCE),
    "zone": ("another", REGION),
    "granularity": ("PT15M", DIGEST),
    "factor_type": ("direct", KIND),
    "signal": ("marginal", INTENSITY),
    "start_us": (FIVE + 1, DIGEST),
    "end_us": (FIVE + 1, DIGEST),
    "gco2e_per_kwh": ("1", INTENSITY),
    "estimated": (True, STATUS),
    "tier": ("live", TIER),
    "retrieved_us": (us(READ) + 86_400_000_000, DIGEST),
}


@pytest.mark.parametrize(
    "path", [path for path in leaves(TWO) if isinstance(path[-1], str) and path[-1] != "slots"], ids=str
)
def test_each_member_that_an_issuer_could_change_is_held_to_the_claims(world, base, path):
    document = copy.deepcopy(TWO)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    name, own = path[-1], path[-1] in THE_ISSUERS_WORD
    changed = other(parent[name]) if own else OTHER_MEMBERS[name][0]
    parent[name] = digests.digest(b"another reply") if name == "reply_digest" else changed
    world.policy = TRUSTING
    report = world.report(posted(world, TWO, gridDataDigest=digests.digest(raw_of(document))), beside(base, document))
    if own:
        assert report.outcome is Outcome.VERIFIED
    else:
        assert refusal(report)[1] == OTHER_MEMBERS[path[-1]][1]


def test_a_slot_beyond_belief_is_refused_though_the_mean_is_not():
    world = straddling()
    report = judged(world, world.evidence(), slots_from("2026-11-20T20:00:00Z", ["2000.001", "0"]))
    assert refusal(report) == ("CLAIM_IMPLAUSIBLE", INTENSITY)


BROKEN = {
    "a hole": lambda slots: [slots[0], {**slots[1], "start_us": FIVE + 300_000_000, "end_us": FIVE + 600_000_000}],
    "an overlap": lambda slots: [slots[0], {**slots[1], "start_us": FIVE - 1, "end_us": FIVE + 299_999_999}],
    "the order": lambda slots: [slots[1], slots[0]],
    "twice the same": lambda slots: [slots[0], slots[0], slots[1]],
    "a longer slot": lambda slots: [slots[0], {**slots[1], "end_us": FIVE + 300_000_001}],
    "four decimals": lambda slots: [{**slots[0], "gco2e_per_kwh": "300.0001"}, slots[1]],
    "an exponent": lambda slots: [{**slots[0], "gco2e_per_kwh": "3e2"}, slots[1]],
    "a sign": lambda slots: [{**slots[0], "gco2e_per_kwh": "-300"}, slots[1]],
    "a number": lambda slots: [{**slots[0], "gco2e_per_kwh": 300}, slots[1]],
    "a percentile": lambda slots: [{**slots[0], "unit": "percentile"}, slots[1]],
}


@pytest.mark.parametrize("name", BROKEN)
def test_slots_that_make_no_document_are_refused(world, base, name):
    document = {**TWO, "slots": BROKEN[name](copy.deepcopy(TWO["slots"]))}
    world.policy = TRUSTING
    signed = posted(world, TWO, gridDataDigest=digests.digest(raw_of(document)))
    assert refusal(world.report(signed, beside(base, document))) == ("EVIDENCE_MISMATCH", DIGEST)


OTHER_CLAIMS = {
    REGION: "FR",
    SOURCE: "Electricity Maps v3",
    GRANULARITY: "PT1H",
    TIER: "operator",
    KIND: "direct",
    INTENSITY: "354.774",
}


@pytest.mark.parametrize("term", OTHER_CLAIMS)
def test_a_claim_that_is_not_the_slots_is_refused_and_named(world, base, term):
    value = OTHER_CLAIMS[term]
    claims = {"intensity": value} if term == INTENSITY else {term: value}
    assert refusal(judged(world, base, TWO, **claims)) == (INCONSISTENT, term)


@pytest.mark.parametrize("figure", ["354.772", "354.774", "300", "420.5", "0", "354.77"])
def test_only_the_one_mean_is_taken(world, base, figure):
    assert refusal(judged(world, base, TWO, intensity=figure)) == (INCONSISTENT, INTENSITY)


def test_characterization_factors_are_beyond_the_slots(world, base):
    report = judged(world, base, TWO, ipccCharacterizationFactors="AR6")
    assert (report.outcome, report.warned_of) == (Outcome.VERIFIED, ("EVIDENCE_NOT_CHECKED",))


# --- policies ------------------------------------------------------------------------------------------------


def test_a_policy_that_requires_slots_takes_no_annual_average():
    report = World(policy=Policy(require_grid_data=True)).report()
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "GRID_DATA_REQUIRED")


@pytest.mark.parametrize(
    ("accepted", "is_taken"),
    [
        (("Electricity Maps v4",), True),
        (("Electricity Maps*",), True),
        (("x", "*"), True),
        (("Electricity Maps",), False),
        (("electricity maps*",), False),
        (("WattTime*",), False),
        (("",), False),
    ],
)
def test_a_policy_may_name_the_sources_that_it_accepts(world, base, accepted, is_taken):
    report = judged(world, base, TWO, policy=Policy(accepted_carbon_sources=accepted))
    expected = (Outcome.VERIFIED, None) if is_taken else (Outcome.REFUSED, "CARBON_SOURCE_NOT_ACCEPTED")
    assert (report.outcome, report.problem) == expected


@pytest.mark.parametrize("policy", [Policy(require_grid_data=True), Policy(accepted_carbon_sources=("x",))])
def test_of_a_summary_and_of_what_is_not_understood_a_policy_learns_nothing(policy):
    world = World(policy=policy)
    summary = example("summary.vc11.json")
    foreign = {**example("summary.vc11.json"), "type": ["VerifiableCredential"]}
    for value in (summary, foreign):
        assert grid(world.report(value)).result is Result.INCONCLUSIVE
