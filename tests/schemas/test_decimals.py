import decimal
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import decimals
from schemas.errors import MalformedValueError

CANONICAL = st.from_regex(r"\A(0|[1-9][0-9]{0,17})(\.[0-9]{0,17}[1-9])?\Z", fullmatch=True)

NOT_CANONICAL = [
    "", "-0", "-1", "+1", ".5", "5.", "00", "01", "0.0", "1.50", "1e3", "1E-3", "1,5", " 1", "1 ", "1\n", "0x10",
    "NaN", "Infinity", "1_000", "٣", "１", "1.٣", "1" * 19, "0." + "1" * 19, "1" * 40, "1.2.3", "None",
]  # fmt: skip


@given(CANONICAL.filter(str.isascii))
def test_a_canonical_decimal_reads_and_writes_as_itself(text):
    assert decimals.render(decimals.parse(text)) == text


@pytest.mark.parametrize("text", NOT_CANONICAL)
def test_other_spellings_are_malformed(text):
    with pytest.raises(MalformedValueError, match="not a canonical decimal"):
        decimals.parse(text)


@pytest.mark.parametrize("text", ["0", "7", "42", "1" * 18])
def test_integers_read(text):
    assert decimals.parse_integer(text) == int(text)


@pytest.mark.parametrize("text", ["", "-1", "+1", "01", "1.0", "1e3", "٣", "1_0", "1" * 19, " 1"])
def test_other_spellings_of_integers_are_malformed(text):
    with pytest.raises(MalformedValueError):
        decimals.parse_integer(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("0.000", "0"),
        ("1.500", "1.5"),
        ("1E+3", "1000"),
        ("1E-7", "0.0000001"),
        ("100", "100"),
    ],
)
def test_writing_removes_exponents_and_trailing_zeros(value, text):
    assert decimals.render(Decimal(value)) == text


@pytest.mark.parametrize("value", ["-1", "-0.1", "NaN", "sNaN", "Infinity", "-Infinity", "1E+18", "1E-19"])
def test_what_has_no_canonical_form_is_not_written(value):
    with pytest.raises(MalformedValueError):
        decimals.render(Decimal(value))


@given(CANONICAL, CANONICAL)
def test_products_are_exact(left, right):
    product = decimals.multiply(Decimal(left), Decimal(right))
    with decimal.localcontext(prec=200):
        assert product == Decimal(left) * Decimal(right)


@given(st.lists(CANONICAL, max_size=6))
def test_sums_are_exact(texts):
    total = decimals.add(*map(Decimal, texts))
    with decimal.localcontext(prec=200):
        assert total == sum(map(Decimal, texts))


def test_a_product_that_would_be_rounded_raises_instead():
    with pytest.raises(decimal.Inexact):
        decimals.multiply(Decimal("1." + "1" * 60), Decimal("1." + "1" * 60))


@pytest.mark.parametrize(
    ("value", "places", "rounded"),
    [("0.5", 0, "0"), ("1.5", 0, "2"), ("2.5", 0, "2"), ("0.1235", 3, "0.124"), ("0.1225", 3, "0.122")],
)
def test_ties_go_to_the_even_digit(value, places, rounded):
    assert decimals.round_half_even(Decimal(value), places) == Decimal(rounded)


def test_a_quotient_is_rounded_once():
    assert decimals.divide(Decimal(2), Decimal(3), 3) == Decimal("0.667")
    with pytest.raises(decimal.DivisionByZero):
        decimals.divide(Decimal(1), Decimal(0), 3)


@given(st.integers(min_value=0, max_value=10**20))
def test_kilowatt_hours_give_their_millijoules_back(energy_mj):
    assert decimals.mj_from_kwh(decimals.kwh_from_mj(energy_mj)) == energy_mj


def test_the_reference_record_gives_the_reference_claim():
    assert decimals.render(decimals.kwh_from_mj(2_624_401)) == "0.000729000278"
