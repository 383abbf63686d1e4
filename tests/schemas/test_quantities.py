from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decimals import render
from schemas.errors import FormatError, MalformedValueError, SchemaInvalidError
from schemas.quantities import Quantity

QUANTITY = Quantity(12, Decimal(1000), "finer is not measured")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("0", "0"),
        ("0.25", "0.25"),
        ("0.000000000001", "0.000000000001"),
        (1, "1"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (1e3, "1000"),
        (-0.0, "0"),
    ],
)
def test_a_quantity_reads_exactly(value, number):
    assert QUANTITY.read(value, "x") == Decimal(number)


@pytest.mark.parametrize("value", [True, False, None, [], {}, ["1"], {"@value": "1"}])
def test_only_a_string_or_a_number_is_a_quantity(value):
    with pytest.raises(SchemaInvalidError, match=r"^x: a decimal string is expected"):
        QUANTITY.read(value, "x")


@pytest.mark.parametrize(
    "text", ["", "abc", "NaN", "Infinity", "1,5", "٣", "1_0", " 1", "0x1", "1" * 100, "1e-999999999"]
)
def test_text_that_is_no_canonical_decimal_is_malformed(text):
    with pytest.raises(MalformedValueError, match="is not a canonical decimal"):
        QUANTITY.read(text, "x")


@pytest.mark.parametrize(
    ("text", "canonical"), [("0.10", "0.1"), ("1e2", "100"), ("+1", "1"), (".5", "0.5"), ("007", "7"), ("5E-1", "0.5")]
)
def test_the_error_shows_the_canonical_spelling(text, canonical):
    with pytest.raises(MalformedValueError, match=f'; write "{canonical}"$'):
        QUANTITY.read(text, "x")


@pytest.mark.parametrize("value", [-1, -0.5, -1e-9, 1000.5, 1001, 1e308, 10**400, "1000.1"])
def test_a_value_out_of_range_is_malformed(value):
    with pytest.raises(MalformedValueError, match="not between 0 and 1000"):
        QUANTITY.read(value, "x")


@pytest.mark.parametrize("value", ["0.0000000000001", 1e-13, 0.0007290002777777778, 5e-324])
def test_more_decimals_than_are_measured_are_malformed(value):
    with pytest.raises(MalformedValueError, match=r"more than 12 decimals; finer is not measured"):
        QUANTITY.read(value, "x")


@given(st.floats(0, 1000) | st.integers(0, 1000))
def test_a_number_reads_as_its_shortest_decimal_text_would(number):
    try:
        value = QUANTITY.read(number, "x")
    except MalformedValueError:
        return
    assert value == Decimal(repr(number))
    assert QUANTITY.read(render(value), "x") == value


@given(st.text(max_size=20) | st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_whatever_stands_there_reads_or_is_one_of_our_errors(value):
    detail = "x: "
    try:
        number = QUANTITY.read(value, "x")
    except FormatError as error:
        number, detail = Decimal(0), error.detail
    assert 0 <= number <= 1000
    assert detail.startswith("x: ")
