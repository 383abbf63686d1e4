"""PUE, intensity and region of an inference held against its window's credential, where that was verified."""

import json
from decimal import Decimal

import pytest

from schemas.credential import decode
from tests.fakes.verifier import ENGINES, NOW, World
from tests.fakes.windows import WindowWorld, plain
from verifier.document import parse
from verifier.policy import Policy
from verifier.report import Outcome
from verifier.verify import verify_credential
from verifier.window_factors import factor_mismatches, factors_of


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
    noted = window._replace(values=(*window.values[:-1], "AR6"))
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


def test_another_windows_credential_is_refused_where_the_own_one_is_at_hand(place):
    other = f"{place.world.base}/credentials/window-17"
    inference = place.inference(made(place), 1, windowCredential=other)
    place.receipt(made(place), 1, window_credential=other)
    report = with_window(place, inference)
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EVIDENCE_MISMATCH")
    assert report.detail.startswith("windowCredential: ")
