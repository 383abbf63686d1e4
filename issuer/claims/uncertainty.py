"""The uncertainty of what is claimed, by the GUM: components at k = 1, both expanded ones at k = 2. Pure, without a float.

Each component is a relative standard uncertainty in percent, rounded up to 2 decimals, so nothing is made smaller than it
is. A figure whose error is known to lie within ± a, and of which no more is known, has u = a / √3 (GUM 4.3.7). What each
default rests on stands beside it, and in docs/measurement.md.

A budget is whole or absent: one that lacks a part that applies looks better than it is. There is none of simulated or
modelled figures (it would be invented), of no energy (percent of nothing), of a period of unknown length, or where all of
the period may lie in a gap.

Gain errors of one meter are the same in each of its windows: they add up linearly, and a sum over n windows does not
divide them by √n.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from math import isqrt
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from schemas import decimals
from schemas.strict_json import JsonObject

DECIMALS: Final = 2
"""Decimals of each figure here."""

METER_PERCENT: Final[Mapping[str, Decimal]] = MappingProxyType(
    {
        # ± 5 % until it is calibrated: NVIDIA's own figure for its power sensor, and what a PDU saw of one (arXiv 2312.02741).
        "counter": Decimal("2.89"),
        # No class of an outer meter is stated, so it gets the same prior.
        "metered": Decimal("2.89"),
        # ± 10 %, our assumption: the sensor sees a quarter of the time, and the counter has to agree that far or is flagged.
        "integrated": Decimal("5.78"),
    }
)
"""The gain of a meter that nobody calibrated, by measurementMethod. The other methods measure nothing, or not the part."""

TICK_EDGES_US: Final = 41_000
"""Standard uncertainty of a period's length as a counter sees it: ticks of 100 ms, so 29 ms at each of the two edges."""

ATTRIBUTION_PERCENT: Final[Mapping[str, Decimal]] = MappingProxyType(
    {
        "exclusive": Decimal(0),
        # The largest error of the simulation in docs/measurement.md, at 48 requests at once: how many there were is not signed.
        "step-log": Decimal("4.3"),
        # The largest of that simulation for tokens of the whole window.
        "phase-weighted": Decimal(89),
        # Our assumption: knowing only the time is no better than knowing the tokens.
        "reserved-time": Decimal(89),
    }
)

PUE_PERCENT: Final[Mapping[str, Decimal]] = MappingProxyType(
    {
        "metered": Decimal("1.16"),  # ± 2 %: both meters of class 1
        "reported": Decimal("2.89"),  # ± 5 %: a year's figure used for an hour
        "default": Decimal("14.44"),  # ± 25 %: somebody else's building
    }
)
"""Our assumptions where the operator states no figure."""

INTENSITY_PERCENT: Final[Mapping[str, Decimal]] = MappingProxyType(
    {
        "live": Decimal("5.78"),  # ± 10 %, our assumption: this zone and hour, as one provider models it
        "history": Decimal("5.78"),
        "operator": Decimal("5.78"),
        # The standard deviation of five published figures for Great Britain: 131, 175, 177, 216 and 238 g/kWh.
        "subregion-annual": Decimal("22.04"),
        "country-annual": Decimal("22.04"),
        "world-annual": Decimal("57.74"),  # ± 100 %: the place is not known at all
    }
)

_ENERGY: Final = ("meter", "timing", "gaps", "attribution", "pue")
_HUNDRED: Final = 100


class Seen(Struct, frozen=True, kw_only=True):
    """How much of a period was seen: the share of the time, rounded down, and the longest gap in microseconds."""

    coverage: Decimal
    largest_gap_us: int


class Budget(Struct, frozen=True, kw_only=True):
    """The components that apply, in percent at k = 1; None does not apply or is not known to the format."""

    meter: Decimal
    timing: Decimal
    gaps: Decimal | None = None
    attribution: Decimal | None = None
    pue: Decimal | None = None
    intensity: Decimal

    @property
    def energy(self) -> Decimal:
        """Expanded uncertainty of energyKwh in percent, k = 2: all components but the intensity."""
        return expanded(*self._of_energy)

    @property
    def emissions(self) -> Decimal:
        """Expanded uncertainty of operationalEmissionsGco2e in percent, k = 2: the intensity included."""
        return expanded(*self._of_energy, self.intensity)

    def claims(self) -> dict[str, str]:
        """Return the claims of both expanded uncertainties and of each component that applies."""
        stated = {"energyUncertaintyPercent": self.energy, "emissionsUncertaintyPercent": self.emissions}
        for name in (*_ENERGY, "intensity"):
            value: Decimal | None = getattr(self, name)
            if value is not None:
                stated[f"standardUncertainty{name.capitalize()}Percent"] = value
        return {name: decimals.render(value) for name, value in stated.items()}

    @property
    def _of_energy(self) -> list[Decimal]:
        stated: list[Decimal | None] = [getattr(self, name) for name in _ENERGY]
        return [value for value in stated if value is not None]


def of_parts(
    *, meter: Decimal | None, timing: Decimal | None, gaps: Decimal | None, intensity: Decimal, pue: Decimal | None
) -> Budget | None:
    """Return the budget of a whole node's energy in a window, in which nothing is attributed; None where it is not whole."""
    if meter is None or timing is None or gaps is None:
        return None
    return Budget(meter=meter, timing=timing, gaps=gaps, attribution=Decimal(0), pue=pue, intensity=intensity)


def of_record_in_window(
    window: JsonObject, *, timing: Decimal | None, gaps: Decimal | None, attribution: str
) -> Budget | None:
    """Return the budget of a record: meter, PUE and intensity as its window's credential claims them.

    None where that states no meter (its figures are simulated, or it is from before uncertainties were claimed).
    """
    meter, intensity = (_claimed(window, name) for name in ("Meter", "Intensity"))
    shared = ATTRIBUTION_PERCENT.get(attribution)
    if meter is None or intensity is None or timing is None or gaps is None or shared is None:
        return None
    pue = _claimed(window, "Pue")
    return Budget(meter=meter, timing=timing, gaps=gaps, attribution=shared, pue=pue, intensity=intensity)


def meter_percent(method: str, calibrated: Decimal | None) -> Decimal | None:
    """Return u of a meter's gain: as it was calibrated, else the prior; None for a method that measures nothing."""
    prior = METER_PERCENT.get(method)
    return prior if prior is None or calibrated is None else calibrated


def timing_percent(duration_us: int | None) -> Decimal | None:
    """Return u of the tick edges: 0.041 s of the average power, as a share of the energy of ``duration_us``."""
    if not duration_us:
        return None
    return _rounded_up(Fraction(_HUNDRED * TICK_EDGES_US, duration_us))


def gaps_percent(seen: Seen, *, duration_us: int, energy_mj: int, estimated_mj: int) -> Decimal | None:
    """Return u of what was not seen or only estimated; None where all of the period may lie in a gap.

    Nobody knows more of a gap than that its power lay between nothing and twice the average, nor of an estimate than that
    it may be all wrong: ± (missing / seen + estimated / energy), rectangular. Both may speak of the same gap; their sum is
    the larger figure. The longest gap may lie wholly within a record that is shorter than its window.
    """
    if energy_mj <= 0:
        return None
    missing = max(1 - Fraction(seen.coverage), min(Fraction(1), Fraction(seen.largest_gap_us, duration_us)))
    if missing >= 1:
        return None
    return rectangular(_HUNDRED * (missing / (1 - missing) + Fraction(estimated_mj, energy_mj)))


def rectangular(half_width: Fraction) -> Decimal:
    """Return u of what is known to lie within ± ``half_width`` percent, and no more of it: a / root of 3 (GUM 4.3.7)."""
    return _root_up(half_width * half_width / 3)


def expanded(*components: Decimal) -> Decimal:
    """Return 2 x the root of the sum of squares, rounded up to 2 decimals. FORMATS.md "Formulas"."""
    return _root_up(4 * sum((Fraction(component) ** 2 for component in components), Fraction(0)))


def _root_up(square: Fraction) -> Decimal:
    """Return the smallest figure of 2 decimals whose square is not below ``square``."""
    steps = -(-square.numerator * _HUNDRED * _HUNDRED // square.denominator)
    return Decimal(isqrt(steps - 1) + 1 if steps else 0).scaleb(-DECIMALS)


def _rounded_up(percent: Fraction) -> Decimal:
    return Decimal(-(-percent.numerator * _HUNDRED // percent.denominator)).scaleb(-DECIMALS)


def _claimed(window: JsonObject, name: str) -> Decimal | None:
    text = window.get(f"standardUncertainty{name}Percent")
    return decimals.parse(text) if isinstance(text, str) else None
