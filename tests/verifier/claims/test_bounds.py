from decimal import Decimal

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


def test_a_summary_emits_no_more_than_the_dirtiest_grid_would():
    energy_kwh = Decimal(SUMMARY[SUBJECT]["energyKwh"])
    most_g = format((energy_kwh * 2000).normalize(), "f")
    assert implausible(SUMMARY, operationalEmissionsGco2e=most_g) == set()
    more_g = format((energy_kwh * 2000 + Decimal("0.000001")).normalize(), "f")
    assert implausible(SUMMARY, operationalEmissionsGco2e=more_g) == {"operationalEmissionsGco2e"}


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
    # 3.6625 s at 1 MW are 1.01736 kWh, of which 0.00022 are idle and the host's.
    assert implausible(FULL, acceleratorActiveKwh="1.0171") == set()
    assert implausible(FULL, acceleratorActiveKwh="1.0174") == {"acceleratorActiveKwh"}


@pytest.mark.parametrize(("document", "kwh"), [(FULL, "1.02"), (WINDOW, "2.78")], ids=["inference", "window"])
@pytest.mark.parametrize("term", ["hostKwh", "networkKwh"])
def test_host_and_network_draw_no_megawatt_either(document, kwh, term):
    # 10 s at 1 MW are 2.7778 kWh.
    assert implausible(document, **{term: "1.01"}) == set()
    assert implausible(document, **{term: kwh}) == {"energyKwh"}
    assert implausible(document, **{term: "2501999.792913"}) == {"energyKwh"}


def test_a_duration_beyond_the_period_draws_nothing():
    # 1 ms by the wall, 2 s by the agent's word: 2.8 Wh an accelerator in a second, of which half a second counts.
    tiny = changed(WINDOW, (SUBJECT, "periodStart"), "2026-11-20T20:00:09.999Z")
    claims = {"durationSeconds": "2", "hostKwh": "0"}
    assert implausible(tiny, acceleratorActiveKwh="0.001", **claims) == set()
    assert implausible(tiny, acceleratorActiveKwh="0.0011", **claims) == {"acceleratorActiveKwh"}


def test_an_accelerator_of_1250_w_is_never_refused_for_a_clock_that_was_set():
    # The period is as short as a duration of 10 s allows (2 s and 15 %), and both boards drew 1.25 kW all the time.
    set_back = changed(WINDOW, (SUBJECT, "periodStart"), "2026-11-20T20:00:03.043Z")
    assert implausible(set_back, acceleratorActiveKwh="0.006608") == set()


def test_who_ran_for_less_may_have_a_whole_tick_of_a_counter():
    short = changed(FULL, (SUBJECT, "periodStart"), "2026-11-20T20:00:03.9124Z")
    claims = {"durationSeconds": "0.0001", "acceleratorIdleKwh": "0", "hostKwh": "0"}
    assert implausible(short, acceleratorActiveKwh="0.0277", **claims) == set()
    assert implausible(short, acceleratorActiveKwh="0.0278", **claims) == {"acceleratorActiveKwh"}


def test_without_a_duration_the_period_bounds_the_energy():
    bare = without(FULL, (SUBJECT, "durationSeconds"))
    assert implausible(bare, acceleratorActiveKwh="1.3") == set()
    assert implausible(bare, acceleratorActiveKwh="1.31") == {"acceleratorActiveKwh"}


def test_without_duration_and_period_it_is_what_a_megawatt_gives_in_a_day():
    bare = without(without(FULL, (SUBJECT, "durationSeconds")), (SUBJECT, "periodStart"))
    assert implausible(bare, acceleratorActiveKwh="23999") == set()
    assert implausible(bare, acceleratorActiveKwh="24000") == {"acceleratorActiveKwh"}


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
