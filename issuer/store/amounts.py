"""What is summed, as whole numbers: so sums, differences and parts in time are exact, and add up to what there was. Pure.

A decimal is counted in 1e-18 of its unit (kWh, g); inferences, requests and tokens are counted as they are.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

from issuer.store.report_models import COUNTS, FURTHER
from schemas import decimals
from schemas.grid_data import split_energy

FIGURES: Final = ("energy", "emissions", *FURTHER)
"""Decimals that are summed: kWh and g of CO2e."""

NUMBERS: Final = ("count", *FIGURES, *COUNTS)
MAYBE: Final = (*FURTHER, *COUNTS)
"""Those that need not be stated; ``…_without`` says of how many inferences one is not."""

_ATTO: Final = 18

Amounts: TypeAlias = dict[str, int]
"""NUMBERS, and ``…_without`` for each of MAYBE."""


class Key(NamedTuple):
    """What is never summed together. ``kind`` is measured, simulated, suspended or revoked; None of the rest: not asked, not stated."""

    kind: str
    factor_type: str
    assurance: str | None
    basis: str | None
    attribution: str | None
    tenant_id: str | None = None
    model_id: str | None = None
    node_id: str | None = None


class Line(NamedTuple):
    """One sum."""

    key: Key
    amounts: Amounts


def nothing() -> Amounts:
    """Return amounts of nothing, in which nothing is left unstated."""
    return dict.fromkeys((*NUMBERS, *(f"{name}_without" for name in MAYBE)), 0)


def add(total: Amounts, more: Amounts, sign: int = 1) -> None:
    """Add (or with -1 subtract) amounts."""
    for name, number in more.items():
        total[name] += sign * number


def part_within(amounts: Amounts, period_us: tuple[int, int], start_us: int, end_us: int) -> Amounts:
    """Return the part of what lasted for ``period_us`` that falls into [start, end), by time.

    What lies beyond is in other parts, and nothing in two: numbers are split at edges as a slot's energy is
    (schemas.grid_data.split_energy), so parts between any edges add up to the whole.
    """
    began_us, ended_us = period_us
    edges = [edge for edge in (start_us, end_us) if began_us < edge < ended_us]
    place = 1 if began_us < start_us else 0
    return {
        # Of how many something is not stated is no amount: each part lacks it.
        name: number if name.endswith("_without") else split_energy(number, began_us, ended_us, edges)[place]
        for name, number in amounts.items()
    }


def decimal_of(number: int) -> Decimal:
    """Return the exact kWh or g of a number of 1e-18."""
    return Decimal(number).scaleb(-_ATTO, decimals.EXACT)


def number_of(value: Decimal) -> int:
    """Return kWh or g in 1e-18; raises decimal.Inexact where there are more decimals."""
    return int(decimals.EXACT.to_integral_exact(value.scaleb(_ATTO, decimals.EXACT)))
