import contextlib
from decimal import Decimal

import pytest
from hypothesis import given, strategies
from msgspec import Struct

from issuer.carbon.providers.errors import ProviderError, ProviderRefusedError
from issuer.carbon.providers.reply import microseconds, number, read_json
from issuer.carbon.providers.uk import _Answer
from tests.fakes.grid.values import us


class Shape(Struct):
    a: Decimal | None
    b: str = "none"


def read(raw: bytes) -> Shape:
    return read_json("x", raw, Shape)


def test_numbers_are_exact():
    assert read(b'{"a": 0.1}').a == Decimal("0.1")
    assert str(read(b'{"a": 0.30000000000000004}').a) == "0.30000000000000004"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999999999", "1e-999999999", "9" * 5000])
def test_what_is_no_number_of_a_grid_spoils_its_slot_alone(text):
    assert not read(f'{{"a": {text}}}'.encode()).a.is_finite()


def test_members_that_are_not_known_are_left_aside():
    assert read(b'{"a": null, "new": [1, {"x": 2}]}').a is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'{"a": 1',
        b'{"a": "1"}',
        b'{"a": true}',
        b'{"a": 1, "b": 2}',
        b'{"a": 1, "a": 2}',
        b'{"a": 1, "c": {"d": 1, "d": 1}}',
        b'{"a": 01}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": 1, "b": "\xff"}',
        b"<html>",
        b'{"a":' + b"[" * 10_000,
        b'{"a": 1, "c": [' + b"1," * 200_000 + b"1]}",
    ],
)
def test_garbage_is_refused(raw):
    with pytest.raises(ProviderRefusedError):
        read(raw)


@given(strategies.binary(max_size=60))
def test_nothing_but_a_provider_error_comes_of_any_bytes(raw):
    for body in (raw, b'{"data":' + raw + b"}", b'{"data":[{"from":"' + raw + b'"}]}'):
        # What else it raised would fail the test.
        with contextlib.suppress(ProviderError):
            read_json("x", body, _Answer)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-10-01T10:00Z", "2026-10-01T10:00"),
        ("2026-10-01T10:00:00.000Z", "2026-10-01T10:00"),
        ("2026-10-01T12:00:00+02:00", "2026-10-01T10:00"),
    ],
)
def test_times_are_read_with_their_offset(text, moment):
    assert microseconds("x", text) == us(moment)


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-01T10:00",
        "2026-10-01",
        "2026-13-01T10:00Z",
        "1969-01-01T00:00Z",
        "0001-01-01T00:00+23:59",
        "now",
        "",
        "2026-10-01T10:00Z\n",
    ],
)
def test_other_times_are_refused(text):
    with pytest.raises(ProviderRefusedError):
        microseconds("x", text)


@given(strategies.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-2000, max_value=2000))
def test_a_figure_s_text_is_its_value(value):
    assert number(str(value)) == value
