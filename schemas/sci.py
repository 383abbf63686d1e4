"""The Software Carbon Intensity of a claim: (O + M) / R (ISO/IEC 21031:2024 §5.1), for readers and reports.

It stands in no credential: a quotient is not a finite decimal. E, I, M and R do, each apart, and offsets never count.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from schemas import decimals

DIGITS: Final = 9
"""Decimals of a score in g CO2e per functional unit, where nothing else is asked for."""


def sci(operational_gco2e: Decimal, embodied_gco2e: Decimal | None, count: int, *, digits: int = DIGITS) -> Decimal:
    """Return (operational + embodied) / count in g CO2e per functional unit, rounded half-even to ``digits`` decimals.

    Embodied emissions that are not stated (None) are left out, and the score is then one of operation alone: say so beside
    it. Raises ValueError where ``count`` is less than 1: there is no score of nothing.
    """
    if count < 1:
        raise ValueError("a score needs at least one functional unit")
    total = operational_gco2e if embodied_gco2e is None else decimals.add(operational_gco2e, embodied_gco2e)
    return decimals.divide(total, Decimal(count), digits)
