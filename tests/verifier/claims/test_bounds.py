import pytest

from schemas.digests import digest
from tests.schemas.documents import changed, example, without
from tests.verifier.claims.findings import implausible, inconsistent

FULL = example("credential.vc11")
MINIMAL = example("credential-minimal.vc11")
WINDOW = example("window.vc11")
SUMMARY = example("summary.vc11")
SUBJECT = "credentialSubject"


@pytest.mark.parametrize(("pue", "found"), [("0.999", {"pue"}), ("1", set()), ("3", set()), ("3.001", {"pue"})])
def test_a_pue_lies_between_1_and_3(pue, found):
    assert implausible(FULL, pue=pue) == found


@pytest.mark.parametrize("term", ["carbonIntensityGco2ePerKwh", "marketBasedIntensityGco2ePerKwh"])
@pytest.mark.parametrize(("value", "is_found"), [("0", False), ("2000", False), ("2000.001", True)])
def test_an_intensity_is_at_most_2000(term, value, is_found):
    assert implausible(FULL, **{term: value}) == ({term} if is_found else set())


def test_a_marginal_intensity_is_at_most_2000():
    marginal = {"marginalIntensityGco2ePerKwh": "2001", "marginalEmissionsGco2e": "1"}
    assert implausible(FULL, **marginal) == {"marginalIntensityGco2ePerKwh"}


def test_coverage_is_a_part():
    assert inconsistent(FULL, measurementCoverage="1") == set()
    assert inconsistent(FULL, measurementCoverage="1.000001") == {"measurementCoverage"}


@pytest.mark.parametrize(
    ("active_kwh", "found"),
    [("0.0274", set()), ("0.0278", {"acceleratorActiveKwh"}), ("999", {"acceleratorActiveKwh"})],
)
def test_two_accelerators_draw_no_more_than_10_kw(active_kwh, found):
    # 10 s at 10 kW are 0.02777 kWh, of which 0.000335 are idle and unattributed.
    assert implausible(WINDOW, acceleratorActiveKwh=active_kwh) == found


def test_no_node_draws_a_megawatt():
    assert implausible(FULL, acceleratorActiveKwh="1.01") == set()
    assert implausible(FULL, acceleratorActiveKwh="1.02") == {"acceleratorActiveKwh"}


def test_without_a_duration_there_is_no_power():
    assert implausible(without(FULL, (SUBJECT, "durationSeconds")), acceleratorActiveKwh="999") == set()


@pytest.mark.parametrize("assurance", ["tpm-emulated", "tpm-virtual", "tpm-hardware"])
def test_a_tpms_assurance_needs_its_quote(assurance):
    plain = changed(MINIMAL, ("type",), MINIMAL["type"][:2])
    assert inconsistent(plain, assurance=assurance) == {"assurance"}
    assert inconsistent(plain, assurance="software") == set()
    assert inconsistent(FULL, assurance=assurance) == set()


def test_the_evidence_of_a_window_is_of_that_window():
    assert inconsistent(WINDOW, windowDigest=digest(b"another")) == {"windowDigest"}
    assert inconsistent(changed(WINDOW, ("evidence", 0, "windowDigest"), digest(b"another"))) == {"windowDigest"}


def test_a_window_without_records_has_the_root_of_the_empty_tree():
    assert inconsistent(WINDOW, recordCount="0") == {"recordsMerkleRoot"}
    assert inconsistent(WINDOW, recordsMerkleRoot=digest(b"")) == {"recordsMerkleRoot"}
    assert inconsistent(WINDOW, recordCount="0", recordsMerkleRoot=digest(b"")) == set()


def test_a_summary_without_members_has_the_root_of_the_empty_tree():
    assert inconsistent(SUMMARY, credentialCount="0") == {"credentialsMerkleRoot"}
    assert inconsistent(SUMMARY, credentialCount="0", credentialsMerkleRoot=digest(b"")) == set()
