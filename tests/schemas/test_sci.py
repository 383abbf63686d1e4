from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decimals import render
from schemas.sci import sci
from tests.schemas.documents import example

GRAMS = st.decimals(0, 10**6, places=18, allow_nan=False, allow_infinity=False)


def test_the_format_s_credential_gives_its_score() -> None:
    claims = example("credential.vc11")["credentialSubject"]
    operational, embodied = (Decimal(claims[f"{name}EmissionsGco2e"]) for name in ("operational", "embodied"))
    # (0.2071721950274592 + 0.0214) g over 2248 tokens
    assert render(sci(operational, embodied, int(claims["functionalUnitCount"]), digits=12)) == "0.000101678023"


def test_without_embodied_emissions_it_is_one_of_operation_alone() -> None:
    assert sci(Decimal(3), None, 2, digits=1) == Decimal("1.5")


def test_a_tie_goes_to_the_even_digit() -> None:
    assert sci(Decimal("0.5"), None, 1, digits=0) == 0
    assert sci(Decimal("1.5"), None, 1, digits=0) == Decimal(2)


@pytest.mark.parametrize("count", [0, -1])
def test_there_is_no_score_of_nothing(count: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        sci(Decimal(1), None, count)


@given(GRAMS, GRAMS, st.integers(1, 10**12), st.integers(0, 18))
def test_it_is_the_nearest_figure_of_its_decimals(operational, embodied, count, digits) -> None:
    exact = (Fraction(operational) + Fraction(embodied)) / count
    assert abs(Fraction(sci(operational, embodied, count, digits=digits)) - exact) <= Fraction(1, 2 * 10**digits)
