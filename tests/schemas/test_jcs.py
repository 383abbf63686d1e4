import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import jcs
from schemas.errors import MalformedValueError
from tests.schemas.documents import example

SAFE = 2**53 - 1
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-SAFE, SAFE)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_canonical_bytes_read_back_as_the_value(value):
    assert json.loads(jcs.canonical_bytes(value)) == value


def test_members_are_sorted_by_utf_16_units_and_nothing_is_spaced():
    assert jcs.canonical_bytes({"\ufb33": 1, "\U0001f600": 2, "b": [1, 2], "a": "é"}) == (
        '{"a":"é","b":[1,2],"\U0001f600":2,"\ufb33":1}'.encode()
    )


@pytest.mark.parametrize(
    ("number", "text"), [(1e30, b"1e+30"), (0.000001, b"0.000001"), (1e-7, b"1e-7"), (4.50, b"4.5"), (-0.0, b"0")]
)
def test_numbers_are_written_as_ecmascript_does(number, text):
    assert jcs.canonical_bytes(number) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, -(2**53), "\ud800"])
def test_what_has_no_canonical_form_is_malformed(value):
    with pytest.raises(MalformedValueError):
        jcs.canonical_bytes({"x": value})


def test_the_reference_evidence_is_canonical_already():
    found = example("telemetry")
    assert jcs.canonical_bytes(found) == json.dumps(found, sort_keys=True, separators=(",", ":")).encode()
