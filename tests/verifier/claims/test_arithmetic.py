from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import decimals
from schemas.credential import decode
from schemas.lexical import DECIMAL
from schemas.terms import TERMS
from tests.schemas.documents import CREDENTIALS, at, changed, example, without
from tests.verifier.claims.findings import findings, inconsistent
from verifier.claims.arithmetic import ClaimFinding, check_claims, it_energy
from verifier.claims.figures import figures_of

FULL = example("credential.vc11")
MINIMAL = example("credential-minimal.vc11")
WINDOW = example("window.vc11")
SUMMARY = example("summary.vc11")
SUBJECT = "credentialSubject"


@pytest.mark.parametrize("name", CREDENTIALS)
def test_a_reference_document_holds(name):
    assert check_claims(decode(example(name))) == []


def test_a_finding_names_term_problem_and_what_was_expected():
    assert findings(MINIMAL, operationalEmissionsGco2e="0.14217688") == [
        ClaimFinding(
            "operationalEmissionsGco2e",
            "CLAIM_INCONSISTENT",
            "operationalEmissionsGco2e: energyKwh x carbonIntensityGco2ePerKwh is 0.14217687",
        )
    ]


SUMMED = [
    "acceleratorActiveKwh", "acceleratorIdleKwh", "hostKwh", "unattributedKwh", "facilityOverheadKwh", "energyKwh", "pue",
    "operationalEmissionsGco2e", "marketBasedEmissionsGco2e", "carbonIntensityGco2ePerKwh", "marketBasedIntensityGco2ePerKwh",
]  # fmt: skip
CHANGES = [
    (name, term)
    for name in CREDENTIALS
    for term in SUMMED
    if term in example(name)[SUBJECT] and (name, term) != ("summary.vc11", "operationalEmissionsGco2e")
]


@pytest.mark.parametrize(("name", "term"), CHANGES)
@pytest.mark.parametrize("step", ["1E-18", "1E-12", "0.001", "1"])
def test_a_figure_that_is_off_by_any_step_is_found(name, term, step):
    document = example(name)
    figure = decimals.add(Decimal(at(document, (SUBJECT, term))), Decimal(step))
    assert findings(document, **{term: decimals.render(figure)}) != []


@pytest.mark.parametrize("term", ["acceleratorActiveKwh", "acceleratorIdleKwh", "hostKwh"])
def test_a_boundary_left_out_no_longer_adds_up(term):
    document = changed(FULL, (SUBJECT, term), "0") if term == "acceleratorActiveKwh" else without(FULL, (SUBJECT, term))
    assert inconsistent(document) == {"facilityOverheadKwh", "energyKwh"}


def test_the_network_is_a_boundary_too():
    assert inconsistent(FULL, networkKwh="0.000000000278") == {"facilityOverheadKwh", "energyKwh"}


def test_it_is_the_sum_of_the_boundaries_that_are_stated():
    assert it_energy(figures_of(decode(WINDOW).credential_subject)) == Decimal("0.003666666667")
    assert it_energy({"pue": Decimal(2), "hostKwh": Decimal("0.5")}) == Decimal("0.5")


def test_without_a_pue_energy_is_it():
    bare = without(FULL, *((SUBJECT, term) for term in ("pue", "pueKind", "pueSource", "facilityOverheadKwh")))
    assert inconsistent(bare) == {"energyKwh"}


@pytest.mark.parametrize(
    ("term", "value"),
    [
        ("acceleratorActiveKwh", "0.0007290002781"),
        ("hostKwh", "0.00013333333300001"),
        ("estimatedKwh", "0.0000000000001"),
        ("networkKwh", "0.0000000000001"),
    ],
)
def test_a_boundary_has_at_most_12_decimals(term, value):
    found = findings(FULL, **{term: value})
    assert any(finding.term == term and "12 decimals" in finding.detail for finding in found)


@pytest.mark.parametrize("value", ["0.000000000001", "0.000000000277", "0.000000000279"])
def test_a_boundary_encodes_whole_millijoules(value):
    assert inconsistent(FULL, estimatedKwh=value) == {"estimatedKwh"}
    assert inconsistent(FULL, estimatedKwh="0.000000000278") == set()


def test_the_boundaries_of_a_summary_are_sums_and_encode_nothing():
    assert inconsistent(SUMMARY, estimatedKwh="0.000000000001") == set()
    assert inconsistent(SUMMARY, estimatedKwh="0.0000000000001") == {"estimatedKwh"}


@pytest.mark.parametrize(
    ("term", "value"),
    [
        ("pue", "1.1201"),
        ("carbonIntensityGco2ePerKwh", "195.0301"),
        ("marketBasedIntensityGco2ePerKwh", "24.6001"),
        ("measurementCoverage", "0.9980001"),
    ],
)
def test_a_factor_has_few_decimals(term, value):
    assert term in inconsistent(FULL, **{term: value})


def test_the_estimated_part_is_at_most_it():
    it_kwh = "0.000948444722"
    assert inconsistent(FULL, estimatedKwh=it_kwh) == set()
    assert inconsistent(FULL, estimatedKwh="0.000948445") == {"estimatedKwh"}


def test_marginal_emissions_are_a_product_too():
    good = {"marginalIntensityGco2ePerKwh": "400", "marginalEmissionsGco2e": "0.424903235456"}
    assert inconsistent(FULL, **good) == set()
    assert inconsistent(FULL, **good | {"marginalEmissionsGco2e": "0.424903235457"}) == {"marginalEmissionsGco2e"}


def test_embodied_emissions_are_never_part_of_operational():
    assert inconsistent(FULL, embodiedEmissionsGco2e="999") == set()


def test_a_summary_is_added_up_too():
    assert inconsistent(SUMMARY, energyKwh="0.00106225808865") == {"energyKwh"}
    assert inconsistent(SUMMARY, operationalEmissionsGco2e="0.5") == set()


def test_the_common_pue_of_a_summary_is_checked():
    assert inconsistent(SUMMARY, pue="1.12", pueKind="reported") == set()
    assert inconsistent(SUMMARY, pue="1.13", pueKind="reported") == {"facilityOverheadKwh"}


MJ = st.integers(0, 10**9)
THOUSANDTHS = st.integers(0, 2_000_000).map(lambda value: Decimal(value).scaleb(-3))


def accounted(active_mj, idle_mj, host_mj, pue, intensity):
    """Return the claims of FORMATS.md "Formulas" for exact inputs, and the document with them."""
    parts = [decimals.kwh_from_mj(energy_mj) for energy_mj in (active_mj, idle_mj, host_mj)]
    it_kwh = decimals.add(*parts)
    energy_kwh = decimals.multiply(it_kwh, pue)
    figures = {
        "acceleratorActiveKwh": parts[0],
        "acceleratorIdleKwh": parts[1],
        "hostKwh": parts[2],
        "pue": pue,
        "facilityOverheadKwh": decimals.multiply(it_kwh, pue - 1),
        "energyKwh": energy_kwh,
        "carbonIntensityGco2ePerKwh": intensity,
        "operationalEmissionsGco2e": decimals.multiply(energy_kwh, intensity),
    }
    document = without(FULL, *((SUBJECT, term) for term in FULL[SUBJECT] if term.startswith("marketBased")))
    for term, figure in figures.items():
        document = changed(document, (SUBJECT, term), decimals.render(figure))
    return document


PUE = st.integers(1000, 3000).map(lambda value: Decimal(value).scaleb(-3))


ACCOUNTED = st.builds(accounted, MJ, MJ, MJ, PUE, THOUSANDTHS)


@given(ACCOUNTED)
def test_whatever_follows_the_formulas_holds(document):
    assert check_claims(decode(document)) == []


@given(ACCOUNTED, st.sampled_from(["facilityOverheadKwh", "energyKwh", "operationalEmissionsGco2e"]))
def test_the_last_decimal_counts(document, term):
    figure = decimals.add(Decimal(document[SUBJECT][term]), Decimal("1E-18"))
    assert term in inconsistent(document, **{term: decimals.render(figure)})


DECIMALS = [name for name, term in TERMS.items() if term.datatype == "xsd:decimal" and name in FULL[SUBJECT]]


@given(st.dictionaries(st.sampled_from(DECIMALS), st.from_regex(DECIMAL.pattern, fullmatch=True)))
def test_no_decimal_of_the_format_is_too_long_for_the_sums(claims):
    for finding in findings(FULL, **claims):
        assert finding.detail.startswith(f"{finding.term}: ")
        assert finding.term in TERMS
