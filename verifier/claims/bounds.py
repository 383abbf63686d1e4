"""What can be believed of a figure (CLAIM_IMPLAUSIBLE), and what the parts of a credential say of each other."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from schemas import decimals, digests
from schemas.credential import (
    AnyCredential,
    EvidenceEntry,
    GreenComputeSummaryCredential,
    GreenComputeWindowCredential,
)
from schemas.merkle import EMPTY_ROOT
from verifier.claims.figures import ClaimFinding, Figures, implausible, inconsistent, it_energy, written
from verifier.claims.period import drawing_s

MAX_INTENSITY: Final = Decimal(2000)
"""g CO2e per kWh: no grid or plant is dirtier."""

MIN_PUE: Final = Decimal(1)
MAX_PUE: Final = Decimal(3)

MAX_ACCELERATOR_W: Final = Decimal(5_000)
"""No accelerator that NVML reports has a board limit above this."""

MAX_NODE_W: Final = Decimal(1_000_000)
"""No node, a rack with its accelerators, draws this."""

_JOULES_PER_KWH: Final = Decimal(3_600_000)
_INTENSITIES: Final = (
    "carbonIntensityGco2ePerKwh",
    "marketBasedIntensityGco2ePerKwh",
    "marginalIntensityGco2ePerKwh",
)


def bound_findings(credential: AnyCredential, figures: Figures) -> Iterator[ClaimFinding]:
    """Yield what lies outside its bounds, and what evidence or counts contradict."""
    yield from _range_findings(figures)
    yield from _power_findings(credential, figures)
    yield from _evidence_findings(credential)
    yield from _root_findings(credential)


def _range_findings(figures: Figures) -> Iterator[ClaimFinding]:
    if "pue" in figures and not MIN_PUE <= figures["pue"] <= MAX_PUE:
        yield implausible("pue", f"{written(figures['pue'])} is not between {MIN_PUE} and {MAX_PUE}")
    for name in _INTENSITIES:
        if figures.get(name, Decimal(0)) > MAX_INTENSITY:
            yield implausible(name, f"{written(figures[name])} g/kWh is more than {MAX_INTENSITY}")
    # A summary has no intensity: its sums are bounded all the same.
    most_g = decimals.multiply(figures["energyKwh"], MAX_INTENSITY)
    if "carbonIntensityGco2ePerKwh" not in figures and figures["operationalEmissionsGco2e"] > most_g:
        told = f"more than {MAX_INTENSITY} g for each of {written(figures['energyKwh'])} kWh"
        yield implausible("operationalEmissionsGco2e", told)
    if figures.get("measurementCoverage", Decimal(0)) > 1:
        yield inconsistent("measurementCoverage", "a part of the period cannot be more than 1")


def _power_findings(credential: AnyCredential, figures: Figures) -> Iterator[ClaimFinding]:
    """The average power of the accelerators, and of all IT, compared without a division."""
    length_s = drawing_s(credential)
    if length_s is None:
        return
    boards_w = MAX_NODE_W
    if isinstance(credential, GreenComputeWindowCredential):
        boards_w = decimals.multiply(MAX_ACCELERATOR_W, Decimal(len(credential.credential_subject.accelerator_id)))
    names = ("acceleratorActiveKwh", "acceleratorIdleKwh", "unattributedKwh")
    boards_kwh = decimals.add(*(figures[name] for name in names if name in figures))
    for term, what, energy_kwh, limit_w in (
        ("acceleratorActiveKwh", "the accelerators'", boards_kwh, boards_w),
        ("energyKwh", "the node's", it_energy(figures), MAX_NODE_W),
    ):
        if decimals.multiply(energy_kwh, _JOULES_PER_KWH) > decimals.multiply(limit_w, length_s):
            told = f"{what} average power is more than {written(limit_w)} W in {written(length_s)} s"
            yield implausible(term, told)
            return


def _evidence_findings(credential: AnyCredential) -> Iterator[ClaimFinding]:
    if isinstance(credential, GreenComputeSummaryCredential):
        return
    subject = credential.credential_subject
    evidence: tuple[EvidenceEntry, ...] = credential.evidence
    if subject.assurance.startswith("tpm-") and not any(entry.is_tpm_quote for entry in evidence):
        yield inconsistent("assurance", f"{subject.assurance} without a TPM's quote among the evidence")
    if isinstance(credential, GreenComputeWindowCredential):
        window = credential.credential_subject.window_digest
        if any(entry.window_digest != window for entry in evidence):
            yield inconsistent("windowDigest", "the evidence is of another window")


def _root_findings(credential: AnyCredential) -> Iterator[ClaimFinding]:
    if isinstance(credential, GreenComputeWindowCredential):
        window = credential.credential_subject
        yield from _root_finding("recordsMerkleRoot", window.records_merkle_root, window.record_count)
    elif isinstance(credential, GreenComputeSummaryCredential):
        summary = credential.credential_subject
        yield from _root_finding("credentialsMerkleRoot", summary.credentials_merkle_root, summary.credential_count)


def _root_finding(term: str, root: str, count: str) -> Iterator[ClaimFinding]:
    """A tree without leaves has a root of its own (RFC 9162 §2.1.1), which no other tree has."""
    if (count == "0") != (root == digests.encode(EMPTY_ROOT)):
        yield inconsistent(term, f"it does not belong to a tree of {count} leaves")
