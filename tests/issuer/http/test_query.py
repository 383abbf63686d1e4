"""Parameters of path and query."""

from __future__ import annotations

import pytest

from issuer.http.query import checked, moment_us, optional
from issuer.tenant_id import TENANT_ID
from verifier.http.errors import ParameterError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("1970-01-01", 0),
        ("1970-01-02", 86_400_000_000),
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T00:00:00.000001Z", 1),
    ],
)
def test_a_moment_is_a_date_or_a_utc_time(text, expected):
    assert moment_us(text, "since") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026",
        "2026-13-01",
        "2026-02-30",
        "2026-1-1",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00+00:00",
        "1e9",
        "٢٠٢٦-٠١-٠١",
    ],
)
def test_anything_else_is_no_moment(text):
    with pytest.raises(ParameterError, match="since"):
        moment_us(text, "since")


@pytest.mark.parametrize("text", ["a", "acme", "acme-2", "0", "x" * 63])
def test_a_tenant_id_is_a_slug(text):
    assert checked(text, TENANT_ID, "tenant") == text


@pytest.mark.parametrize("text", ["", "-a", "a-", "A", "a_b", "a.b", "a/b", "x" * 64, "a\n", "ä"])
def test_anything_else_is_no_tenant_id(text):
    with pytest.raises(ParameterError, match="tenant"):
        checked(text, TENANT_ID, "tenant")


def test_an_absent_parameter_stays_absent():
    assert optional(None, TENANT_ID, "tenant") is None
