"""What a reader should know of claims that hold."""

import pytest

from schemas.credential import decode
from tests.schemas.documents import changed, example, without
from tests.verifier.claims.test_grid import of_slots
from verifier.claims.notes import TABLES, notes
from verifier.notices import Notice

FULL, MINIMAL, WINDOW, SUMMARY = (
    example(name) for name in ("credential.vc11", "credential-minimal.vc11", "window.vc11", "summary.vc11")
)
SUBJECT = "credentialSubject"


def told(document, **claims):
    """Return the names of the warnings, and the terms of what is only noted."""
    for term, value in claims.items():
        document = changed(document, (SUBJECT, term), value)
    found = [*notes(decode(document))]
    return {note.notice for note in found if note.notice}, {
        note.detail.partition(":")[0] for note in found if not note.notice
    }


@pytest.mark.parametrize(
    ("coverage", "notice"),
    [
        ("1", None),
        ("0.99", None),
        ("0.989999", Notice.COVERAGE_REDUCED),
        ("0.9", Notice.COVERAGE_REDUCED),
        ("0.899999", Notice.COVERAGE_LOW),
        ("0", Notice.COVERAGE_LOW),
    ],
)
@pytest.mark.parametrize("document", [FULL, WINDOW, SUMMARY], ids=["inference", "window", "summary"])
def test_little_measured_time_is_warned_of(document, coverage, notice):
    assert told(document, measurementCoverage=coverage)[0] == ({notice} if notice else set())


@pytest.mark.parametrize("kind", ["direct", "lifecycle"])
def test_an_annual_figure_unlike_all_others_is_warned_of(kind):
    least, greatest = map(str, TABLES[kind])
    for figure, is_odd in ((least, False), (greatest, False), ("0", True), ("19.9", True), ("1306.301", True)):
        claims = {"carbonIntensityGco2ePerKwh": figure, "emissionFactorType": kind}
        assert told(MINIMAL, **claims)[0] == ({Notice.UNUSUAL_INTENSITY} if is_odd else set()), figure


def test_an_hour_may_be_cleaner_than_any_year():
    value = of_slots(MINIMAL, carbonIntensityGco2ePerKwh="3")
    assert told(value) == (set(), {"carbonIntensityGco2ePerKwh"})


@pytest.mark.parametrize(
    ("method", "is_noted"), [("counter", True), ("metered", True), ("integrated", True), ("modelled", False)]
)
def test_measured_energy_without_an_uncertainty_is_noted_and_no_warning(method, is_noted):
    bare = without(FULL, (SUBJECT, "energyUncertaintyPercent"))
    assert told(bare, measurementMethod=method) == (set(), {"energyUncertaintyPercent"} if is_noted else set())
    assert told(FULL, measurementMethod=method) == (set(), set())
