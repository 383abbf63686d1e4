"""Building and grid of a window, which no node signs: an inference's must be those of its window's credential."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

from schemas import decimals
from schemas.credential import GreenComputeCredential, GreenComputeWindowCredential
from schemas.subject import json_name

_FACTORS: Final = (
    "pue",
    "grid_region",
    "carbon_intensity_gco2e_per_kwh",
    "carbon_intensity_source",
    "carbon_intensity_granularity",
    "carbon_intensity_tier",
    "emission_factor_type",
)
_NOTES: Final = (
    "pue_kind",
    "pue_source",
    "carbon_intensity_year",
    "grid_data_digest",
    "ipcc_characterization_factors",
)
_BESIDES: Final = (
    "market_based_intensity_gco2e_per_kwh",
    "market_based_instrument",
    "standard_uncertainty_meter_percent",
    "standard_uncertainty_pue_percent",
    "standard_uncertainty_intensity_percent",
)
"""What a window need not state for its inferences to: then it is the issuer's word alone, as in a window it would be."""

# It is rounded to nanograms, half-even.
_EMBODIED_STEP: Final = Decimal("0.000000001")


class Factors(NamedTuple):
    """What one credential says of its building and grid, and who issued it; a term that is not stated is None.

    ``embodied`` is what it says of its hardware in g, and its duration in seconds, None where it says nothing of it.
    """

    issuer: str
    values: tuple[str | None, ...]
    embodied: tuple[str, str] | None = None


Windows: TypeAlias = Mapping[str, Mapping[str, Factors]]
"""The factors of windows' credentials that were verified: by the window's digest, then by the credential's id."""


def factors_of(credential: GreenComputeCredential | GreenComputeWindowCredential) -> Factors:
    """Return the factors of a credential."""
    subject = credential.credential_subject
    grams = subject.embodied_emissions_gco2e
    return Factors(
        credential.issuer,
        tuple(getattr(subject, name) for name in (*_FACTORS, *_NOTES, *_BESIDES)),
        None if grams is None else (grams, subject.duration_seconds or "0"),
    )


def factor_mismatches(own: Factors, window: Factors) -> Iterator[str]:
    """Yield each factor of an inference that is not its window's, by its name, with both values.

    They belong to a place and a time, so that all of a window has the same. A note on where a figure is from may be left
    out; another one may not be put in its place.
    """
    for name, claimed, stated in zip((*_FACTORS, *_NOTES, *_BESIDES), own.values, window.values, strict=True):
        if name in _BESIDES and stated is None:
            continue
        if claimed != stated and (claimed is not None or name in _FACTORS):
            told = f"{claimed or 'nothing'} is claimed, its window's credential says {stated or 'nothing'}"
            yield f"{json_name(name)}: {told}"
    if own.embodied is not None and window.embodied is not None:
        yield from _embodied_mismatch(own.embodied, window.embodied)


def _embodied_mismatch(own: tuple[str, str], window: tuple[str, str]) -> Iterator[str]:
    """Yield where an inference claims more of the hardware than its time has of its window's (docs/formats.md)."""
    (grams, duration_s), (window_grams, window_s) = (map(decimals.parse, stated) for stated in (own, window))
    exact = decimals.add(grams, -_EMBODIED_STEP)
    if decimals.multiply(exact, window_s) > decimals.multiply(window_grams, duration_s):
        told = f"{own[0]} is claimed for {own[1]} s, its window's credential says {window[0]} for {window[1]} s"
        yield f"embodiedEmissionsGco2e: {told}"
