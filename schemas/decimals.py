r"""Decimals as they are signed: canonical strings of XSD 1.1 decimal, never floats.

FORMATS.md "Values": ``(0|[1-9][0-9]{0,17})(\\.[0-9]{0,17}[1-9])?``. Energy inside is integer
millijoules; one kilowatt-hour is 3.6e9 mJ.
"""

from __future__ import annotations

import decimal
import re
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from schemas.errors import MalformedValueError

MJ_PER_KWH: Final = 3_600_000_000
KWH_DECIMALS: Final = 12
MAX_EXPONENT: Final = 400
_TOO_LONG: Final = "the decimal needs more than 18 integer digits or 18 decimals"

_CANONICAL = re.compile(r"(0|[1-9][0-9]{0,17})(\.[0-9]{0,17}[1-9])?", re.ASCII)
_INTEGER = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)

# Products of two signed figures have at most 36 integer and 36 fraction digits. Inexact traps, so
# that no signed figure is ever rounded without our asking for it.
EXACT: Final = decimal.Context(
    prec=96,
    rounding=ROUND_HALF_EVEN,
    traps=[decimal.Inexact, decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)
_ROUNDING: Final = decimal.Context(
    prec=96,
    rounding=ROUND_HALF_EVEN,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)


def parse(text: str) -> Decimal:
    """Return the value of a canonical decimal string. Raises MalformedValueError for any other spelling."""
    if not _CANONICAL.fullmatch(text):
        raise MalformedValueError(f'{text[:40]!r} is not a canonical decimal such as "0.25"')
    return Decimal(text)


def parse_integer(text: str) -> int:
    """Return the value of a canonical non-negative integer string. Raises MalformedValueError."""
    if not _INTEGER.fullmatch(text):
        raise MalformedValueError(f"{text[:40]!r} is not a canonical non-negative integer")
    return int(text)


def render(value: Decimal) -> str:
    """Return the canonical string of a non-negative decimal.

    Raises MalformedValueError if the value is negative, not finite, or needs more than
    18 integer digits or 18 decimals: nothing is rounded here.
    """
    if not value.is_finite() or (value.is_signed() and value != 0):
        raise MalformedValueError("only finite, non-negative decimals can be written")
    exponent = value.as_tuple().exponent
    # Written out, 1E-999999999 would fill the memory.
    if not isinstance(exponent, int) or not -MAX_EXPONENT <= exponent <= MAX_EXPONENT:
        raise MalformedValueError(_TOO_LONG)
    # copy_abs, since abs() rounds to the thread's context, 28 digits.
    text = format(value.copy_abs(), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if not _CANONICAL.fullmatch(text):
        raise MalformedValueError(_TOO_LONG)
    return text


def multiply(left: Decimal, right: Decimal) -> Decimal:
    """Return the exact product."""
    return EXACT.multiply(left, right)


def add(*values: Decimal) -> Decimal:
    """Return the exact sum."""
    total = Decimal(0)
    for value in values:
        total = EXACT.add(total, value)
    return total


def round_half_even(value: Decimal, decimals: int) -> Decimal:
    """Return ``value`` rounded half-even to ``decimals`` places."""
    return _ROUNDING.quantize(value, Decimal(1).scaleb(-decimals))


def divide(numerator: Decimal, denominator: Decimal, decimals: int) -> Decimal:
    """Return the quotient rounded half-even to ``decimals`` places (96 digits carried meanwhile)."""
    return round_half_even(_ROUNDING.divide(numerator, denominator), decimals)


def kwh_from_mj(energy_mj: int) -> Decimal:
    """Return ``round_half_even(energy_mj / 3.6e9, 12)`` kWh. Lossless: mj_from_kwh gives it back."""
    return divide(Decimal(energy_mj), Decimal(MJ_PER_KWH), KWH_DECIMALS)


def mj_from_kwh(energy_kwh: Decimal) -> int:
    """Return the millijoules that a boundary's kWh encodes: ``round_half_even(kwh * 3.6e9)``."""
    return int(round_half_even(multiply(energy_kwh, Decimal(MJ_PER_KWH)), 0))
