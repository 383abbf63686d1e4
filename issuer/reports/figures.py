"""A sum's figures as reports show them: what is stated, and what of it is not; the Software Carbon Intensity. Pure.

None is "not stated". A figure that a part of a sum does not state is not stated of it: a part would pass for the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

import msgspec

from issuer.claims.uncertainty import expanded
from issuer.store.amounts import Amounts, Key, Line, add, decimal_of, nothing
from schemas import decimals
from schemas.sci import sci
from schemas.strict_json import Json, JsonObject

UNITS: Final = {"request": "requests", "token": "tokens"}
"""Functional units, and what counts them."""

_INTENSITY_DECIMALS: Final = 3
_HUNDRED: Final = 100
_NO_BASIS: Final[dict[str, str]] = {}


@lru_cache(maxsize=1024)
def basis_of(text: str | None) -> dict[str, str]:
    """Return by which factor and method figures came about (issuer.store.reported); empty where it is not known."""
    return _NO_BASIS if text is None else msgspec.json.decode(text, type=dict[str, str])


def figure(amounts: Amounts, name: str) -> Decimal | None:
    """Return kWh or grams of a sum; None where not all of it states them."""
    return None if amounts.get(f"{name}_without") else decimal_of(amounts[name])


def count(amounts: Amounts, name: str) -> int | None:
    """Return how many requests or tokens a sum has; None where not all of it states them."""
    return None if amounts[f"{name}_without"] else amounts[name]


def exact(value: Decimal, shift: int = 0) -> str:
    """Return a decimal divided by ten to the ``shift``, with as many decimals as it takes."""
    text = format(value.scaleb(-shift, decimals.EXACT), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def intensity(amounts: Amounts) -> str | None:
    """Return I in g/kWh: emissions by energy, half-even at 3 decimals; None without energy."""
    if not amounts["energy"]:
        return None
    quotient = decimals.divide(Decimal(amounts["emissions"]), Decimal(amounts["energy"]), _INTENSITY_DECIMALS)
    return decimals.render(quotient)


def scores(amounts: Amounts) -> dict[str, str | None]:
    """Return SCI by functional unit in g, (O + M) / R; None where one of them is not stated of the whole sum."""
    embodied = figure(amounts, "embodied")
    found: dict[str, str | None] = {}
    for unit, counter in UNITS.items():
        number = count(amounts, counter)
        known = embodied is not None and number
        found[unit] = (
            decimals.render(sci(decimal_of(amounts["emissions"]), embodied, number)) if known and number else None
        )
    return found


def energy_percent(amounts: Amounts) -> Decimal | None:
    """Return the expanded uncertainty of a sum's energy in percent (k = 2), rounded up to 2 decimals.

    Each credential's own in kWh, added linearly: errors of one meter are the same in all of them.
    """
    margin = figure(amounts, "margin")
    if margin is None or not amounts["energy"]:
        return None
    percent = Fraction(amounts["margin"] * _HUNDRED, amounts["energy"])
    return Decimal(-(-percent.numerator * _HUNDRED // percent.denominator)).scaleb(-2)


def emissions_percent(key: Key, amounts: Amounts) -> Decimal | None:
    """Return the expanded uncertainty of location-based emissions in percent: with that of the one kind of intensity."""
    energy, of_intensity = energy_percent(amounts), basis_of(key.basis).get("intensity_percent")
    if energy is None or of_intensity is None:
        return None
    # expanded() takes k = 1.
    return expanded(decimals.divide(energy, Decimal(2), 3), decimals.parse(of_intensity))


def by_factor_type(lines: Iterable[Line]) -> dict[str, list[Line]]:
    """Return lines by the kind of their factors: direct and lifecycle are never in one sum."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.key.factor_type, []).append(line)
    return dict(sorted(found.items()))


def total(lines: Iterable[Line]) -> Amounts:
    """Return the sum of lines."""
    amounts = nothing()
    for line in lines:
        add(amounts, line.amounts)
    return amounts


def score_view(lines: Sequence[Line]) -> JsonObject:
    """Return E, I, M and R of lines of one kind of factor, each apart, and SCI where all are stated."""
    amounts = total(lines)
    embodied = figure(amounts, "embodied")
    units: dict[str, Json] = {unit: count(amounts, counter) for unit, counter in UNITS.items()}
    return {
        "energy_kwh": exact(decimal_of(amounts["energy"])),
        "intensity_gco2e_per_kwh": intensity(amounts),
        "operational_gco2e": exact(decimal_of(amounts["emissions"])),
        "embodied_gco2e": None if embodied is None else exact(embodied),
        "functional_units": units,
        "sci_gco2e": {**scores(amounts)},
    }


def market_view(lines: Sequence[Line]) -> JsonObject:
    """Return market-based emissions where a contract's factor is stated, and what has none: the residual."""
    stated = total(line for line in lines if not line.amounts["market_without"])
    rest = total(line for line in lines if line.amounts["market_without"])
    return {
        "energy_kwh": exact(decimal_of(stated["energy"])),
        "emissions_gco2e": exact(decimal_of(stated["market"])) if stated["count"] or stated["energy"] else None,
        "residual_energy_kwh": exact(decimal_of(rest["energy"])),
        "residual_location_based_gco2e": exact(decimal_of(rest["emissions"])),
    }


def quality_view(lines: Sequence[Line]) -> JsonObject:
    """Return how much of the energy is estimated, was measured in part, or has a factor that is not settled."""
    kwh: dict[str, int] = dict.fromkeys(("estimated", "not_stated", "reduced", "unknown", "provisional"), 0)
    assurance: dict[str, int] = {}
    for line in lines:
        amounts, basis = line.amounts, basis_of(line.key.basis)
        if amounts["estimated_without"]:
            kwh["not_stated"] += amounts["energy"]
        else:
            kwh["estimated"] += amounts["estimated"]
        covered = basis.get("coverage", "unknown")
        if covered in kwh:
            kwh[covered] += amounts["energy"]
        if basis.get("claim_status") == "provisional":
            kwh["provisional"] += amounts["energy"]
        name = line.key.assurance or "not stated"
        assurance[name] = assurance.get(name, 0) + amounts["energy"]
    return {
        "estimated_kwh": exact(decimal_of(kwh["estimated"])),
        "estimated_not_stated_kwh": exact(decimal_of(kwh["not_stated"])),
        "below_full_coverage_kwh": exact(decimal_of(kwh["reduced"])),
        "coverage_not_stated_kwh": exact(decimal_of(kwh["unknown"])),
        "provisional_kwh": exact(decimal_of(kwh["provisional"])),
        "assurance_kwh": {name: exact(decimal_of(number)) for name, number in sorted(assurance.items())},
    }
