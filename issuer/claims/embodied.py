"""The share of the hardware's embodied emissions: SCI's M = TE x TS x RS (ISO/IEC 21031 §5.2.4). Pure.

TE are the embodied emissions of all hardware behind a node's id, TS the part of its life that the period takes, RS the
part of the node that was reserved. A window reserves all of its node. A record reserves it for its own time; where the
times of a window's records are longer together than the window, they ran at once, and share it by their times. So the
records of a window never have more than the window, and what nobody reserved stays with the operator.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from issuer.claims.profile import Embodied
from schemas import decimals

DECIMALS: Final = 9
"""Decimals of embodied emissions in g, half-even: an inference of a tenth of a second on a shared node has micrograms."""

_US_PER_HOUR: Final = 3_600_000_000


def of_node(embodied: Embodied | None, duration_us: int | None) -> Decimal | None:
    """Return the share in g of a period that reserves the whole node; None where nothing is configured, or no duration known."""
    if embodied is None or not duration_us:
        return None
    numerator = decimals.multiply(decimals.parse(embodied.total_gco2e), Decimal(duration_us))
    return decimals.divide(numerator, Decimal(embodied.lifetime_hours * _US_PER_HOUR), DECIMALS)


def of_record(window_gco2e: Decimal, *, record_us: int, window_us: int, reserved_us: int) -> Decimal:
    """Return a record's share in g of its window's; ``reserved_us`` is the sum of the durations of all its records."""
    parts = max(window_us, reserved_us)
    return decimals.divide(decimals.multiply(window_gco2e, Decimal(record_us)), Decimal(parts), DECIMALS)
