import pytest

from schemas.credential import decode
from tests.schemas.documents import changed, example, renamed, without
from tests.verifier.claims.findings import findings, implausible, inconsistent
from verifier.claims.arithmetic import check_claims

FULL = example("credential.vc11")
MINIMAL = example("credential-minimal.vc11")
WINDOW = example("window.vc11")
SUMMARY = example("summary.vc11")
SUBJECT = "credentialSubject"


def with_envelope(document, **members):
    for name, value in members.items():
        document = changed(document, (name,), value)
    return document


@pytest.mark.parametrize(
    ("issued", "found"),
    [("2026-11-20T20:00:03Z", {"issuanceDate"}), ("2026-11-20T20:00:04Z", set()), ("2030-01-01T00:00:00Z", set())],
)
def test_a_credential_is_issued_after_its_period_rounded_up(issued, found):
    assert inconsistent(with_envelope(FULL, issuanceDate=issued)) == found


@pytest.mark.parametrize(
    ("expires", "found"),
    [
        ("2026-11-20T20:00:10Z", {"expirationDate"}),
        ("2026-11-20T20:00:11Z", {"expirationDate"}),
        ("2026-11-20T20:00:12Z", set()),
    ],
)
def test_a_credential_expires_after_it_is_issued(expires, found):
    assert inconsistent(with_envelope(FULL, expirationDate=expires)) == found


@pytest.mark.parametrize("start", ["2026-11-20T20:00:03.9125Z", "2026-11-20T20:00:03.912501Z", "2027-01-01T00:00:00Z"])
def test_a_period_with_a_duration_ends_after_its_start(start):
    assert inconsistent(FULL, periodStart=start) == {"periodStart"}


def test_a_period_without_a_duration_may_be_an_instant():
    bare = without(MINIMAL, (SUBJECT, "durationSeconds"))
    assert inconsistent(bare, periodStart=MINIMAL[SUBJECT]["periodEnd"]) == set()
    assert inconsistent(bare, periodStart="2026-11-20T20:01:04.250001Z") == {"periodStart"}
    assert inconsistent(without(bare, (SUBJECT, "periodStart"))) == set()


@pytest.mark.parametrize("document", [WINDOW, SUMMARY], ids=["window", "summary"])
def test_a_window_or_summary_is_never_an_instant(document):
    assert inconsistent(document, periodStart=document[SUBJECT]["periodEnd"]) == {"periodStart"}


DAY = {"periodStart": "2026-11-19T20:00:03.9125Z", "durationSeconds": "86400"}
LONGER = {"periodStart": "2026-11-19T20:00:03.912499Z", "durationSeconds": "86400.000001"}


def test_an_inference_lasts_at_most_a_day_and_a_job_as_long_as_it_takes():
    assert inconsistent(FULL, **DAY) == set()
    assert inconsistent(FULL, **LONGER) == {"periodEnd"}
    assert inconsistent(renamed(FULL, (SUBJECT, "inferenceId"), "jobId"), **LONGER) == set()


def test_a_summary_may_cover_a_year():
    assert inconsistent(SUMMARY, periodStart="2025-11-20T21:00:00Z") == set()


@pytest.mark.parametrize(
    ("duration", "found"),
    [("3.6625", set()), ("1.2", set()), ("6.2", set()), ("1.1", {"durationSeconds"}), ("6.3", {"durationSeconds"})],
)
def test_a_duration_may_differ_from_the_wall_clock_by_2_seconds_and_15_percent(duration, found):
    assert implausible(FULL, durationSeconds=duration) == found


def test_a_duration_is_more_than_zero():
    found = findings(FULL, durationSeconds="0")
    assert ("durationSeconds", "CLAIM_INCONSISTENT") in {(finding.term, finding.problem) for finding in found}


def test_the_last_instant_of_the_calendar_is_no_accident():
    document = changed(MINIMAL, (SUBJECT, "periodEnd"), "9999-12-31T23:59:59.999999Z")
    assert "issuanceDate" in {finding.term for finding in check_claims(decode(document))}
