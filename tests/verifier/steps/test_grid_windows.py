"""The carbon intensity of windows and of their inferences, computed again from the slots of the window."""

import json

import pytest

from schemas import digests
from schemas.credential import decode
from tests.fakes.grid_documents import beside, claims_of, inference_by, raw_of, slots_from, window_by
from tests.fakes.soft_tpm import START_US, Node
from tests.fakes.verifier import ENGINES, NOW, World
from tests.fakes.windows import WindowWorld
from tests.verifier.steps.test_grid import DIGEST, INCONSISTENT, INTENSITY, TRUSTING, TWO, grid, refusal
from verifier.document import parse
from verifier.report import Outcome, Result, findings_of
from verifier.verify import verify_credential, verify_receipt
from verifier.window_factors import factors_of


@pytest.fixture
def place():
    """A window of ten seconds, five in each of two slots."""
    found = WindowWorld(World(policy=TRUSTING), node=Node(wall_us=START_US + 295_000_000))
    found.close()
    return found


def test_a_windows_mean_is_computed_again_from_all_its_energy(place):
    value = window_by(place, TWO)
    assert value["credentialSubject"][INTENSITY] == "360.25"
    report = place.world.report(value, beside(place.evidence(), TWO))
    assert (report.outcome, report.warned_of) == (Outcome.VERIFIED, ()), report.detail
    lie = window_by(place, {**TWO, "slots": TWO["slots"][:1]})
    assert refusal(place.world.report(lie, beside(place.evidence(), {**TWO, "slots": TWO["slots"][:1]})))[1] == DIGEST


def test_an_inference_has_the_mean_of_its_window(place):
    # It lies in the first slot alone, of 300 g/kWh.
    value = inference_by(place, TWO)
    report = place.world.report(value, beside(place.evidence(), TWO))
    assert report.outcome is Outcome.VERIFIED
    assert grid(report).detail.startswith("360.25 g/kWh is the mean of its window's slots by the window's energy")
    assert not any("least and the greatest" in finding.detail for finding in report.warnings)


def lying(place, intensity, **claims):
    """Return an inference's credential with another intensity, and emissions that fit it."""
    kwh = place.inference(place.made[0])["credentialSubject"]["energyKwh"]
    return inference_by(place, TWO, **{**claims_of(TWO, intensity, kwh), **claims})


@pytest.mark.parametrize("figure", ["300", "360.249", "420.5", "299.999"])
def test_an_inference_whose_window_is_at_hand_has_no_other_mean(place, figure):
    report = place.world.report(lying(place, figure), beside(place.evidence(), TWO))
    assert refusal(report) == (INCONSISTENT, INTENSITY)


@pytest.mark.parametrize(
    ("figure", "is_refused"), [("300", False), ("420.5", False), ("299.999", True), ("420.501", True)]
)
def test_of_an_inference_without_its_window_the_bounds_are_known(place, figure, is_refused):
    value = lying(place, figure)
    receipt = value["evidence"][0]["recordDigest"]
    report = place.world.report(value, beside(place.evidence(without=[receipt]), TWO))
    if is_refused:
        assert refusal(report) == (INCONSISTENT, INTENSITY)
    else:
        told = [finding for finding in findings_of(grid(report)) if finding.result is Result.WARNING]
        assert [finding.problem for finding in told] == ["EVIDENCE_NOT_CHECKED"]
        assert "least and the greatest" in told[0].detail


def test_beside_its_windows_credential_an_inference_needs_no_window(place):
    window = decode(window_by(place, TWO))
    windows = {window.credential_subject.window_digest: {window.id: factors_of(window)}}
    value = inference_by(place, TWO)
    evidence = beside(place.evidence(without=[value["evidence"][0]["recordDigest"]]), TWO)
    for named, expected in ((windows, Result.PASSED), ({}, Result.WARNING)):
        document = parse(json.dumps(value).encode())
        report = verify_credential(document, evidence, TRUSTING, NOW, engines=ENGINES, windows=named)
        assert grid(report).result is expected


def test_slots_beside_an_inference_of_a_window_have_to_cover_it(place):
    later = slots_from("2026-11-20T20:05:00Z", ["360.25"])
    report = place.world.report(
        lying(place, "360.25", gridDataDigest=digests.digest(raw_of(later))), beside(place.evidence(), later)
    )
    assert refusal(report) == (INCONSISTENT, DIGEST)


def test_a_receipt_shows_the_intensity_of_its_window(place):
    window = window_by(place, TWO)
    receipt = place.receipt(place.made[0], window_credential=window["id"])
    evidence = place.with_windows(window, evidence=beside(place.evidence(), TWO))
    report = verify_receipt(parse(json.dumps(receipt).encode()), evidence, TRUSTING, NOW, engines=ENGINES)
    assert report.outcome is Outcome.VERIFIED, report.detail
    assert report.grid == report.credentials[0].grid
    assert report.grid.line.startswith("DE, 360.25 g/kWh (history")
