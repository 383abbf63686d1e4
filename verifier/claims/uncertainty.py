"""The check of expanded uncertainties against their components (FORMATS.md "Formulas", GUM, k = 2)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from schemas import decimals
from verifier.claims.figures import ClaimFinding, Figures, decimals_of, inconsistent

_INTENSITY: Final = "standardUncertaintyIntensityPercent"
_ENERGY_COMPONENTS: Final = (
    "standardUncertaintyMeterPercent",
    "standardUncertaintyTimingPercent",
    "standardUncertaintyGapsPercent",
    "standardUncertaintyAttributionPercent",
    "standardUncertaintyPuePercent",
)
_DECIMALS: Final = 2
_STEP: Final = Decimal("0.01")


def uncertainty_findings(figures: Figures) -> Iterator[ClaimFinding]:
    """Yield what is wrong with the expanded uncertainties that are stated."""
    yield from _expanded(figures, "energyUncertaintyPercent", _ENERGY_COMPONENTS)
    yield from _expanded(figures, "emissionsUncertaintyPercent", (*_ENERGY_COMPONENTS, _INTENSITY))
    if "emissionsUncertaintyPercent" in figures and _INTENSITY not in figures:
        yield inconsistent("emissionsUncertaintyPercent", f"it includes {_INTENSITY}, which is not stated")


def _expanded(figures: Figures, name: str, components: tuple[str, ...]) -> Iterator[ClaimFinding]:
    """U = 2 x root of the sum of squares, rounded up: U^2 >= 4 sum u^2 > (U - 0.01)^2, no root needed."""
    if name not in figures:
        return
    stated = [figures[component] for component in components if component in figures]
    if not stated:
        yield inconsistent(name, "none of its components is stated")
        return
    expanded = figures[name]
    if decimals_of(expanded) > _DECIMALS:
        yield inconsistent(name, f"it has more than {_DECIMALS} decimals")
        return
    sum_of_squares = decimals.add(*(decimals.multiply(component, component) for component in stated))
    four_sums = decimals.multiply(Decimal(4), sum_of_squares)
    below = decimals.add(expanded, -_STEP)
    # Below 0.01 there is no smaller value with two decimals that could have done.
    is_too_large = below >= 0 and four_sums <= decimals.multiply(below, below)
    if is_too_large or four_sums > decimals.multiply(expanded, expanded):
        yield inconsistent(name, "it is not 2 x root of the sum of squares of its components, rounded up to 2 decimals")
