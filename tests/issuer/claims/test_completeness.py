from decimal import Decimal

import pytest

from issuer.claims.completeness import COVERAGE_LOW, COVERAGE_REDUCED, DEFAULT, CompletenessPolicy
from issuer.errors import LowCoverageError


@pytest.mark.parametrize(
    ("coverage", "kind"),
    [
        ("1", None),
        ("0.99", None),
        ("0.989999", COVERAGE_REDUCED),
        ("0.9", COVERAGE_REDUCED),
        ("0.899999", COVERAGE_LOW),
        ("0", COVERAGE_LOW),
    ],
)
def test_what_is_told_of_a_window_by_how_much_was_measured(coverage, kind):
    told = DEFAULT.flag(Decimal(coverage))
    assert (told and told[0]) == kind
    assert told is None or coverage in told[1]


@pytest.mark.parametrize("coverage", ["1", "0.9"])
def test_an_inference_of_a_window_that_was_measured_enough_gets_its_credential(coverage):
    DEFAULT.check_single({"measurementCoverage": coverage})


def test_one_of_a_window_that_was_not_is_refused_and_told_what_to_do():
    with pytest.raises(LowCoverageError, match="least_coverage") as caught:
        DEFAULT.check_single({"measurementCoverage": "0.899999"})
    assert (caught.value.status, caught.value.name) == (422, "LOW_COVERAGE")
    assert "receipt" in caught.value.detail


def test_an_operator_may_ask_for_less():
    CompletenessPolicy(least=Decimal(0)).check_single({"measurementCoverage": "0"})
