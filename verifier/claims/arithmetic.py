"""The arithmetic of a credential, done again: every formula of FORMATS.md, exactly, from its own claims.

Nothing is rounded that the format does not round, and each finding names the term that does not fit.
What needs evidence (the records behind a root, the members of a summary) is checked elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from schemas import decimals
from schemas.credential import AnyCredential, GreenComputeSummaryCredential
from verifier.claims.bounds import bound_findings
from verifier.claims.figures import (
    IT_BOUNDARIES,
    ClaimFinding,
    Figures,
    decimals_of,
    figures_of,
    inconsistent,
    it_energy,
    written,
)
from verifier.claims.grid import kind_findings
from verifier.claims.period import period_findings
from verifier.claims.uncertainty import uncertainty_findings

__all__ = ["IT_BOUNDARIES", "ClaimFinding", "check_claims", "it_energy"]

_MAX_DECIMALS: Final = {
    "pue": 3,
    "carbonIntensityGco2ePerKwh": 3,
    "marketBasedIntensityGco2ePerKwh": 3,
    "marginalIntensityGco2ePerKwh": 3,
    "measurementCoverage": 6,
}

_PRODUCTS: Final = {
    "operationalEmissionsGco2e": "carbonIntensityGco2ePerKwh",
    "marketBasedEmissionsGco2e": "marketBasedIntensityGco2ePerKwh",
    "marginalEmissionsGco2e": "marginalIntensityGco2ePerKwh",
}


def check_claims(credential: AnyCredential) -> list[ClaimFinding]:
    """Return what does not hold in a decoded credential, in the order of FORMATS.md "Formulas"; [] if all does.

    The problem is CLAIM_INCONSISTENT where claims contradict each other or the format, CLAIM_IMPLAUSIBLE
    where a figure lies outside the bounds of verifier.claims.bounds.
    """
    figures = figures_of(credential.credential_subject)
    # The boundaries of a summary are sums of rounded figures: they no longer encode whole millijoules.
    encoded = not isinstance(credential, GreenComputeSummaryCredential)
    return [
        *_scale_findings(figures),
        *_boundary_findings(figures, encoded=encoded),
        *_energy_findings(figures),
        *_emission_findings(figures),
        *uncertainty_findings(figures),
        *period_findings(credential),
        *bound_findings(credential, figures),
        *kind_findings(credential),
    ]


def _scale_findings(figures: Figures) -> Iterator[ClaimFinding]:
    for name, places in _MAX_DECIMALS.items():
        if name in figures and decimals_of(figures[name]) > places:
            yield inconsistent(name, f"{written(figures[name])} has more than {places} decimals")


def _boundary_findings(figures: Figures, *, encoded: bool) -> Iterator[ClaimFinding]:
    """A boundary is round_half_even(mJ / 3.6e9, 12 decimals), so it gives its millijoules back."""
    for name in (*IT_BOUNDARIES, "estimatedKwh"):
        if name not in figures:
            continue
        energy_kwh = figures[name]
        if decimals_of(energy_kwh) > decimals.KWH_DECIMALS:
            yield inconsistent(name, f"{written(energy_kwh)} has more than {decimals.KWH_DECIMALS} decimals")
        elif encoded and decimals.kwh_from_mj(decimals.mj_from_kwh(energy_kwh)) != energy_kwh:
            yield inconsistent(name, f"{written(energy_kwh)} kWh does not encode whole millijoules")


def _energy_findings(figures: Figures) -> Iterator[ClaimFinding]:
    it_kwh = it_energy(figures)
    overhead_kwh = figures.get("facilityOverheadKwh", Decimal(0))
    # Below 1 the overhead would be negative, which no claim can say: claim_bounds names the PUE then.
    if figures.get("pue", Decimal(0)) >= 1:
        expected = decimals.multiply(decimals.add(figures["pue"], Decimal(-1)), it_kwh)
        if overhead_kwh != expected:
            yield inconsistent("facilityOverheadKwh", f"(pue - 1) x IT is {written(expected)}")
    total_kwh = decimals.add(it_kwh, overhead_kwh)
    if figures["energyKwh"] != total_kwh:
        yield inconsistent("energyKwh", f"the boundaries and the facility overhead add up to {written(total_kwh)}")
    if figures.get("estimatedKwh", Decimal(0)) > it_kwh:
        yield inconsistent("estimatedKwh", f"a part of IT cannot be more than IT, {written(it_kwh)}")


def _emission_findings(figures: Figures) -> Iterator[ClaimFinding]:
    for emissions, intensity in _PRODUCTS.items():
        # A summary has no intensity of its own: its sums are checked against its members.
        if emissions not in figures or intensity not in figures:
            continue
        expected = decimals.multiply(figures["energyKwh"], figures[intensity])
        if figures[emissions] != expected:
            yield inconsistent(emissions, f"energyKwh x {intensity} is {written(expected)}")
