"""PUE, intensity and region of an inference held against its window's credential, where that was verified."""

import json
from decimal import Decimal

import pytest

from schemas.credential import decode
from schemas.subject import json_name
from tests.fakes.verifier import ENGINES, NOW, World, fetched
from tests.fakes.windows import WindowWorld, plain
from verifier.document import parse
from verifier.evidence import Evidence
from verifier.gather import missing
from verifier.policy import Policy
from verifier.report import Outcome
from verifier.verify import verify_credential
from verifier.window_factors import _BESIDES, _FACTORS, _NOTES, Factors, factor_mismatches, factors_of


@pytest.fixture
def place():
    found = WindowWorld(World(policy=Policy(trusted_issuers=("did:web:oracle.example",))))
    found.close()
    return found


def made(place):
    return place.made[0]


def with_window(place, inference, **window):
    """Return the report on an inference, its window's credential verified before."""
    credential = decode(place.credential(made(place), **window))
    windows = {credential.credential_subject.window_digest: {credential.id: factors_of(credential)}}
    return verify_credential(
        parse(json.dumps(inference).encode()),
        place.evidence(),
        place.world.policy,
        NOW,
        engines=ENGINES,
        windows=windows,
    )


def test_an_inference_beside_its_windows_credential_says_nothing_more(place):
    for own in ({}, {"windowCredential": None}):
        report = with_window(place, place.inference(made(place), 1, **own))
        assert (report.outcome, report.warnings) == (Outcome.VERIFIED, ()), (own, report.detail)


def test_a_note_on_where_a_factor_is_from_may_be_left_out_and_not_be_another(place):
    window = factors_of(decode(place.credential(made(place))))
    last = len((*_FACTORS, *_NOTES)) - 1
    noted = window._replace(values=(*window.values[:last], "AR6", *window.values[last + 1 :]))
    assert [*factor_mismatches(window, noted)] == []
    (told,) = factor_mismatches(noted, window)
    assert told.startswith("ipccCharacterizationFactors: AR6 is claimed")


def cheap(place, **claims):
    subject = place.inference(made(place), 1)["credentialSubject"]
    intensity = Decimal(claims.get("carbonIntensityGco2ePerKwh", subject["carbonIntensityGco2ePerKwh"]))
    pue = Decimal(claims.get("pue", subject["pue"]))
    it_kwh = (Decimal(subject["energyKwh"]) - Decimal(subject["facilityOverheadKwh"])).normalize()
    figures = {
        "facilityOverheadKwh": plain((pue - 1) * it_kwh),
        "energyKwh": plain(pue * it_kwh),
        "operationalEmissionsGco2e": plain(pue * it_kwh * intensity),
    }
    return place.inference(made(place), 1, **figures, **claims)


OTHER_FACTORS = {
    "carbonIntensityGco2ePerKwh": "1",
    "pue": "1.01",
    "gridRegion": "NOR",
    "carbonIntensitySource": "https://oracle.example/grid/another",
    "emissionFactorType": "lifecycle",
    "carbonIntensityYear": "2019",
}


@pytest.mark.parametrize("term", OTHER_FACTORS)
def test_a_factor_that_is_not_the_windows_is_refused_and_named(place, term):
    inference = cheap(place, **{term: OTHER_FACTORS[term]})
    report = with_window(place, inference)
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EVIDENCE_MISMATCH"), report.detail
    assert report.detail.startswith(f"{term}: ")
    assert place.world.report(inference, place.evidence()).outcome is Outcome.VERIFIED


FURTHER = {
    "marketBasedIntensityGco2ePerKwh": "1",
    "marketBasedInstrument": "https://registry.example/eac/1",
    "standardUncertaintyMeterPercent": "0.01",
    "standardUncertaintyPuePercent": "0.01",
    "standardUncertaintyIntensityPercent": "0.01",
}


@pytest.mark.parametrize("term", FURTHER)
def test_a_further_factor_is_the_windows_or_not_claimed(place, term):
    position = [json_name(name) for name in (*_FACTORS, *_NOTES, *_BESIDES)].index(term)

    def stating(factors, value):
        return factors._replace(values=(*factors.values[:position], value, *factors.values[position + 1 :]))

    own = stating(factors_of(decode(place.inference(made(place), 1))), FURTHER[term])
    window = factors_of(decode(place.credential(made(place))))
    (told,) = factor_mismatches(own, stating(window, "7"))
    assert told.startswith(f"{term}: {FURTHER[term]} is claimed")
    assert [*factor_mismatches(stating(own, None), stating(window, "7"))] == []
    # The window says nothing of it: what the inference says is its issuer's word, as the window's would be.
    assert [*factor_mismatches(own, stating(window, None))] == []


_NONE = (None,) * len((*_FACTORS, *_NOTES, *_BESIDES))


@pytest.mark.parametrize(
    ("own", "window", "holds"),
    [
        (("0.03", "3"), ("0.1", "10"), True),
        (("0.01", "3"), ("0.1", "10"), True),
        (("0.030000001", "3"), ("0.1", "10"), True),
        (("0.030000002", "3"), ("0.1", "10"), False),
        (("0.1", "3"), ("0.1", "10"), False),
        (("0", "0"), ("0.1", "10"), True),
        (("0.1", "0"), ("0.1", "10"), False),
        (("0.1", "3"), None, True),
        (None, ("0.1", "10"), True),
    ],
)
def test_an_inference_has_at_most_its_time_of_its_windows_embodied_emissions(own, window, holds):
    found = [*factor_mismatches(Factors("did:x", _NONE, own), Factors("did:x", _NONE, window))]
    assert (found == []) == holds
    assert all(told.startswith("embodiedEmissionsGco2e: ") for told in found)


def beside(place, inference, **window):
    """Return the report on an inference with its window's credential in the evidence, as in a folder."""
    at_hand = place.with_windows(place.credential(made(place), **window))
    return verify_credential(parse(json.dumps(inference).encode()), at_hand, place.world.policy, NOW, engines=ENGINES)


def test_an_inference_is_held_against_its_windows_credential_in_the_evidence(place):
    report = beside(place, place.inference(made(place), 1))
    assert (report.outcome, report.warnings) == (Outcome.VERIFIED, ()), report.detail
    report = beside(place, cheap(place, pue="1.01"))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EVIDENCE_MISMATCH"), report.detail


def test_a_windows_credential_that_does_not_verify_is_held_against_nothing_and_the_remedy_is_named(place):
    report = beside(place, place.inference(made(place), 1), windowSequence="7")
    assert report.outcome is Outcome.VERIFIED
    (told,) = report.warnings
    assert "none that verifies by itself is at hand" in told.detail
    assert "--evidence DIR" in told.detail
    assert "bundle" in told.detail


def test_what_the_windows_credential_at_hand_needs_is_fetched_too(place):
    inference = place.inference(made(place), 1)
    window = place.credential(made(place))
    document = parse(json.dumps(inference).encode())
    other = window | {
        "credentialStatus": window["credentialStatus"] | {"statusListCredential": f"{place.world.base}/9"}
    }
    at_hand = Evidence(credentials={window["id"]: fetched(window["id"], other)})
    assert f"{place.world.base}/9" in [need.name for need in missing(document, at_hand)]
    assert f"{place.world.base}/9" not in [need.name for need in missing(document, Evidence())]


def test_another_windows_credential_is_refused_where_the_own_one_is_at_hand(place):
    other = f"{place.world.base}/credentials/window-17"
    inference = place.inference(made(place), 1, windowCredential=other)
    place.receipt(made(place), 1, window_credential=other)
    report = with_window(place, inference)
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EVIDENCE_MISMATCH")
    assert report.detail.startswith("windowCredential: ")
