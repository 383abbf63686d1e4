"""What a reader should know of claims that hold: little was measured, or a figure is unlike those of any country."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

from schemas import decimals
from schemas.credential import AnyCredential
from verifier.claims.figures import written
from verifier.notices import Notice

FULL_COVERAGE: Final = Decimal("0.99")
LEAST_COVERAGE: Final = Decimal("0.9")
"""Of a window's time: a full claim from the first, none for single inferences below the second (decision 0013)."""

TABLES: Final[Mapping[str, tuple[Decimal, Decimal]]] = MappingProxyType(
    {
        "direct": (Decimal("110.07"), Decimal("702.35")),  # eGRID2023 rev 2, subregions of the United States
        "lifecycle": (Decimal("20.83"), Decimal("1306.3")),  # Ember 2025, countries
    }
)
"""The least and the greatest annual average of the tables that our issuer ships, in g/kWh, by the factors' kind."""

_MEASURED: Final = frozenset({"integrated", "counter", "metered"})


class Note(NamedTuple):
    """Words for a reader; ``notice`` names a warning, and is None where nothing is odd about it."""

    detail: str
    notice: Notice | None = None


def notes(credential: AnyCredential) -> Iterator[Note]:
    """Yield what should be known of a credential's figures though nothing contradicts them."""
    yield from _coverage(credential)
    yield from _intensity(credential)
    subject = credential.credential_subject
    if subject.measurement_method in _MEASURED and subject.energy_uncertainty_percent is None:
        yield Note("energyUncertaintyPercent: not stated, so how far the measured energy may be off is not known")


def _coverage(credential: AnyCredential) -> Iterator[Note]:
    text = credential.credential_subject.measurement_coverage
    if text is None:
        return
    measured = f"measurementCoverage: {text} of the time was measured"
    if decimals.parse(text) < LEAST_COVERAGE:
        yield Note(f"{measured}, less than {LEAST_COVERAGE}: too little to speak for all of it", Notice.COVERAGE_LOW)
    elif decimals.parse(text) < FULL_COVERAGE:
        yield Note(f"{measured}, less than {FULL_COVERAGE}: what is missing is unknown", Notice.COVERAGE_REDUCED)


def _intensity(credential: AnyCredential) -> Iterator[Note]:
    """An hour of a grid may well be cleaner than a year of any: of slots it is no warning."""
    subject = credential.credential_subject
    text = getattr(subject, "carbon_intensity_gco2e_per_kwh", None)
    if text is None:
        return
    least, greatest = TABLES[subject.emission_factor_type or "lifecycle"]
    value = decimals.parse(text)
    if least <= value <= greatest:
        return
    beyond = (
        f"lower than {written(least)}, the least" if value < least else f"higher than {written(greatest)}, the greatest"
    )
    is_annual = subject.carbon_intensity_year is not None
    yield Note(
        f"carbonIntensityGco2ePerKwh: {text} is {beyond} annual {subject.emission_factor_type} average known here",
        Notice.UNUSUAL_INTENSITY if is_annual else None,
    )
