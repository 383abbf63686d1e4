"""Building and grid of a window, which no node signs: an inference's must be those of its window's credential."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

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


class Factors(NamedTuple):
    """What one credential says of its building and grid, and who issued it; a term that is not stated is None."""

    issuer: str
    values: tuple[str | None, ...]


Windows: TypeAlias = Mapping[str, Mapping[str, Factors]]
"""The factors of windows' credentials that were verified: by the window's digest, then by the credential's id."""


def factors_of(credential: GreenComputeCredential | GreenComputeWindowCredential) -> Factors:
    """Return the factors of a credential."""
    subject = credential.credential_subject
    return Factors(credential.issuer, tuple(getattr(subject, name) for name in (*_FACTORS, *_NOTES)))


def factor_mismatches(own: Factors, window: Factors) -> Iterator[str]:
    """Yield each factor of an inference that is not its window's, by its name, with both values.

    They belong to a place and a time, so that all of a window has the same. A note on where a figure is from may be left
    out; another one may not be put in its place.
    """
    for name, claimed, stated in zip((*_FACTORS, *_NOTES), own.values, window.values, strict=True):
        if claimed != stated and (claimed is not None or name in _FACTORS):
            told = f"{claimed or 'nothing'} is claimed, its window's credential says {stated or 'nothing'}"
            yield f"{json_name(name)}: {told}"
