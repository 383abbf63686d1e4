"""Decimals as three 64-bit integers, so that SQL sums them exactly in both databases.

SQLite sums integers in 64 bits and everything else in floating point. Units, billionths and the rest
in 1e-18 keep a sum exact: the two fractions stay below 1e9 a row, so 9e9 rows fit.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from schemas import decimals

_PLACES = 9


class Parts(NamedTuple):
    """``units + nano / 1e9 + atto / 1e18``; nano and atto each in 0..999,999,999."""

    units: int
    nano: int
    atto: int


def parts_of(text: str) -> Parts:
    """Return the parts of a canonical decimal string. Raises MalformedValueError for any other spelling."""
    decimals.parse(text)
    units, _, fraction = text.partition(".")
    fraction = fraction.ljust(2 * _PLACES, "0")
    return Parts(int(units), int(fraction[:_PLACES]), int(fraction[_PLACES:]))


def value_of(parts: Parts) -> Decimal:
    """Return the exact value of parts, or of sums of parts."""
    return decimals.add(
        Decimal(parts.units), Decimal(parts.nano).scaleb(-_PLACES), Decimal(parts.atto).scaleb(-2 * _PLACES)
    )
