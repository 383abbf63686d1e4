from decimal import ROUND_CEILING, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decimals import render
from tests.schemas.documents import example, without
from tests.verifier.claims.findings import inconsistent
from verifier.claims.uncertainty import uncertainty_findings

FULL = example("credential.vc11")
SUBJECT = "credentialSubject"
INTENSITY = "standardUncertaintyIntensityPercent"
COMPONENTS = [term for term in FULL[SUBJECT] if term.startswith("standardUncertainty")]


@pytest.mark.parametrize("term", ["energyUncertaintyPercent", "emissionsUncertaintyPercent"])
@pytest.mark.parametrize("step", ["0.01", "-0.01", "1", "-1"])
def test_an_expanded_uncertainty_that_is_off_by_any_step_is_found(term, step):
    assert inconsistent(FULL, **{term: render(Decimal(FULL[SUBJECT][term]) + Decimal(step))}) == {term}


def test_it_has_at_most_2_decimals():
    assert inconsistent(FULL, energyUncertaintyPercent="7.368") == {"energyUncertaintyPercent"}


@pytest.mark.parametrize(
    "term", [term for term in COMPONENTS if term not in {INTENSITY, "standardUncertaintyGapsPercent"}]
)
def test_every_component_but_intensity_counts_for_both(term):
    assert inconsistent(without(FULL, (SUBJECT, term))) == {"energyUncertaintyPercent", "emissionsUncertaintyPercent"}


def test_intensity_counts_for_emissions_alone():
    assert inconsistent(FULL, **{INTENSITY: "6"}) == {"emissionsUncertaintyPercent"}


def test_emissions_without_a_stated_intensity_component_are_found():
    assert "emissionsUncertaintyPercent" in inconsistent(without(FULL, (SUBJECT, INTENSITY)))


def test_an_expanded_uncertainty_without_components_is_found():
    bare = without(FULL, *((SUBJECT, term) for term in COMPONENTS))
    assert inconsistent(bare) == {"energyUncertaintyPercent", "emissionsUncertaintyPercent"}


def test_components_alone_are_fine():
    bare = without(FULL, (SUBJECT, "energyUncertaintyPercent"), (SUBJECT, "emissionsUncertaintyPercent"))
    assert inconsistent(bare) == set()


@pytest.mark.parametrize(
    ("component", "expanded", "holds"),
    [
        ("0", "0", True),
        ("0", "0.01", False),
        ("0.001", "0.01", True),
        ("0.001", "0", False),
        ("0.005", "0.01", True),
        ("0.0050001", "0.02", True),
        ("5", "10", True),
        ("5", "10.01", False),
        ("5", "9.99", False),
        ("5.000000000000000001", "10.01", True),
        ("5.000000000000000001", "10", False),
    ],
)
def test_the_edges_of_rounding_up(component, expanded, holds):
    figures = {"standardUncertaintyMeterPercent": Decimal(component), "energyUncertaintyPercent": Decimal(expanded)}
    assert (list(uncertainty_findings(figures)) == []) == holds


PERCENT = st.integers(0, 100_000).map(lambda value: Decimal(value).scaleb(-3))


@given(st.lists(PERCENT, min_size=1, max_size=5))
def test_the_rounded_root_holds_and_its_neighbours_do_not(components):
    with localcontext(prec=60):
        root = 2 * sum(component * component for component in components).sqrt()
        expanded = root.quantize(Decimal("0.01"), rounding=ROUND_CEILING)
    stated = dict(zip(COMPONENTS, components, strict=False))
    found = {
        step: list(uncertainty_findings(stated | {"energyUncertaintyPercent": expanded + Decimal(step)}))
        for step in ("0", "0.01")
    }
    assert found["0"] == []
    assert found["0.01"] != []
    if expanded > 0:
        below = stated | {"energyUncertaintyPercent": expanded - Decimal("0.01")}
        assert list(uncertainty_findings(below)) != []
