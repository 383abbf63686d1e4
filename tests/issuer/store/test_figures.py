"""Decimals as integers lose nothing."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.store.figures import Parts, parts_of, value_of
from schemas import decimals
from schemas.errors import MalformedValueError

CANONICAL = st.decimals(min_value=0, max_value=Decimal(10**18) - 1, allow_nan=False, places=18).map(decimals.render)


def test_the_parts_are_units_billionths_and_the_rest():
    assert parts_of("12.000000001000000002") == Parts(12, 1, 2)


def test_short_fractions_are_read_from_the_left():
    assert parts_of("0.25") == Parts(0, 250_000_000, 0)


@given(CANONICAL)
def test_the_parts_give_the_decimal_back(text):
    assert value_of(parts_of(text)) == Decimal(text)


@given(st.lists(CANONICAL, max_size=30))
def test_summed_parts_are_the_exact_sum(texts):
    parts = [parts_of(text) for text in texts]
    summed = Parts(*(sum(column) for column in zip(*parts, strict=True))) if parts else Parts(0, 0, 0)
    assert value_of(summed) == decimals.add(*map(Decimal, texts))


@given(CANONICAL)
def test_the_fractions_stay_below_a_billion(text):
    parts = parts_of(text)
    assert 0 <= parts.nano < 10**9
    assert 0 <= parts.atto < 10**9


@pytest.mark.parametrize("text", ["-1", "1e3", "1.0", "01", "", "NaN", "0.0000000000000000001"])
def test_other_spellings_are_refused(text):
    with pytest.raises(MalformedValueError):
        parts_of(text)
