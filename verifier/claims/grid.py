"""The intensity of a credential, computed again from the slots behind it: zone, source, kind, period, mean, last word.

The slots (schemas.grid_data) are what ``gridDataDigest`` is the digest of. Nobody but the issuer signs them: what comes
out right here shows that the figure follows from them, not that a provider gave them. Each finding names the term that
does not fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, TypeAlias

from msgspec import Struct

from schemas import decimals, times
from schemas.credential import AnyCredential, GreenComputeCredential, GreenComputeWindowCredential
from schemas.grid_data import GRANULARITIES_US, SLOT_TIERS, GridData, GridSlot, mean_intensity
from schemas.window_header import WindowHeader
from schemas.window_record import ENERGIES
from verifier.claims.bounds import MAX_INTENSITY
from verifier.claims.figures import IT_BOUNDARIES, ClaimFinding, figures_of, implausible, inconsistent, written

Measured: TypeAlias = GreenComputeCredential | GreenComputeWindowCredential
"""The credentials that have an intensity of their own; a summary's is its members'."""

_INTENSITY: Final = "carbonIntensityGco2ePerKwh"
_ANNUAL: Final = ("P1M", "P1Y")
_SECOND_US: Final = 1_000_000
_HOUR_US: Final = 3_600 * _SECOND_US


class Weighed(Struct, frozen=True, kw_only=True):
    """What weighs the slots: a period in µs since 1970 and the IT energy in mJ that was used in it."""

    start_us: int
    end_us: int
    it_mj: int


def weighed_by(credential: Measured) -> Weighed:
    """Return a credential's own period and energy. A period of no length, or without a start, is the µs before its end."""
    subject = credential.credential_subject
    end_us = times.to_microseconds(times.parse_claim(subject.period_end))
    start_us = end_us - 1
    if subject.period_start is not None:
        start_us = min(start_us, times.to_microseconds(times.parse_claim(subject.period_start)))
    figures = figures_of(subject)
    it_mj = sum(decimals.mj_from_kwh(figures[name]) for name in IT_BOUNDARIES if name in figures)
    return Weighed(start_us=start_us, end_us=end_us, it_mj=it_mj)


def weighed_by_header(header: WindowHeader) -> Weighed:
    """Return the period and the energy of a window: an inference of it has the window's intensity."""
    it_mj = sum(getattr(header, name) for name in ENERGIES) + header.unattributed_mj
    return Weighed(start_us=header.start_us, end_us=header.end_us, it_mj=it_mj)


def is_of_window(credential: Measured) -> bool:
    """Return whether a credential is one inference's of a window, and so has the intensity of the window."""
    return isinstance(credential, GreenComputeCredential) and any(
        entry.is_tpm_quote or entry.window_digest is not None for entry in credential.evidence
    )


def kind_findings(credential: AnyCredential) -> Iterator[ClaimFinding]:
    """Yield where year, digest, granularity and tier speak of different things: no slots are needed to see that."""
    subject = credential.credential_subject
    tier, granularity, year = (
        subject.carbon_intensity_tier,
        subject.carbon_intensity_granularity,
        subject.carbon_intensity_year,
    )
    if subject.grid_data_digest is not None:
        told = "is a table's, and gridDataDigest names slots"
        if tier is not None and tier not in SLOT_TIERS:
            yield inconsistent("carbonIntensityTier", f"{tier} {told}")
        if granularity is not None and granularity not in GRANULARITIES_US:
            yield inconsistent("carbonIntensityGranularity", f"{granularity} {told}")
    if year is not None:
        told = f"is of slots, and carbonIntensityYear names a table of {year}"
        if tier in {"live", "history"}:
            yield inconsistent("carbonIntensityTier", f"{tier} {told}")
        if granularity is not None and granularity not in _ANNUAL:
            yield inconsistent("carbonIntensityGranularity", f"{granularity} {told}")
        if year > credential.issuance_date[:4]:
            yield inconsistent("carbonIntensityYear", f"{year} had not begun when this was issued")


def document_findings(credential: Measured, data: GridData) -> Iterator[ClaimFinding]:
    """Yield where a credential names another zone, source, resolution, tier or kind than its slots have."""
    subject = credential.credential_subject
    tiers = {slot.tier for slot in data.slots}
    for term, claimed, is_so in (
        ("gridRegion", subject.grid_region, data.zone),
        ("carbonIntensitySource", subject.carbon_intensity_source, data.source),
        ("carbonIntensityGranularity", subject.carbon_intensity_granularity, data.granularity),
        ("carbonIntensityTier", subject.carbon_intensity_tier, next(tier for tier in SLOT_TIERS if tier in tiers)),
        ("emissionFactorType", subject.emission_factor_type, data.factor_type),
    ):
        if claimed != is_so:
            yield inconsistent(term, f"{claimed} is claimed, its slots are of {is_so}")
    if data.signal != "average":
        yield inconsistent(_INTENSITY, f"a location-based average is claimed, and its slots are {data.signal}")


def slot_findings(credential: Measured, data: GridData, *, leeway_us: int) -> Iterator[ClaimFinding]:
    """Yield what cannot be of a slot, and where figures that may change are called final.

    How long after its end a slot settles is the issuer's setting. What anybody can say is that a slot which is
    estimated, or was read before its end, is not the last word. ``leeway_us``: how far clocks may disagree.
    """
    issued_us = times.to_microseconds(times.parse_seconds(credential.issuance_date))
    # The date of issue is rounded down to a second, and another machine may have read the slot.
    limit_us = issued_us + _SECOND_US + leeway_us
    great = next((slot for slot in data.slots if decimals.parse(slot.gco2e_per_kwh) > MAX_INTENSITY), None)
    if great is not None:
        yield implausible(_INTENSITY, f"{_at(great)} has {great.gco2e_per_kwh} g/kWh, more than {MAX_INTENSITY}")
    late = next((slot for slot in data.slots if slot.retrieved_us > limit_us), None)
    if late is not None:
        yield inconsistent("gridDataDigest", f"{_at(late)} was read after the credential was issued")
    early = next((slot for slot in data.slots if not slot.estimated and slot.retrieved_us < slot.end_us), None)
    if early is not None:
        yield inconsistent("gridDataDigest", f"{_at(early)} was read before it ended, and is called no estimate")
    estimate = next((slot for slot in data.slots if _may_change(slot)), None)
    if credential.credential_subject.claim_status == "final" and estimate is not None:
        told = "is an estimate" if estimate.estimated else "was read before it ended"
        yield inconsistent("claimStatus", f"final is claimed, and {_at(estimate)} {told}")


def exact_findings(claimed: str, data: GridData, weighed: Weighed) -> Iterator[ClaimFinding]:
    """Yield where slots are not those of a period, or their mean weighed by its energy is not what is claimed."""
    wrong = _not_covered(data, weighed) or _not_touched(data, weighed)
    if wrong is not None:
        yield inconsistent("gridDataDigest", wrong)
        return
    mean = mean_intensity(data, weighed.it_mj, weighed.start_us, weighed.end_us)
    if decimals.parse(claimed) != mean:
        yield inconsistent(_INTENSITY, f"{claimed} is claimed, the mean of its slots by energy is {written(mean)}")


def bounded_findings(claimed: str, data: GridData, weighed: Weighed) -> Iterator[ClaimFinding]:
    """Yield where slots do not cover an inference, or what is claimed is not between the least and the greatest.

    For an inference of a window that is not at hand: the mean is the window's, which nobody can compute without it.
    """
    wrong = _not_covered(data, weighed)
    if wrong is not None:
        yield inconsistent("gridDataDigest", wrong)
        return
    values = [decimals.parse(slot.gco2e_per_kwh) for slot in data.slots]
    least, greatest = min(values), max(values)
    if not least <= decimals.parse(claimed) <= greatest:
        between = f"between {written(least)} and {written(greatest)}"
        yield inconsistent(_INTENSITY, f"{claimed} is claimed, and any mean of its slots lies {between}")


def settled_after(data: GridData) -> Decimal | None:
    """Return how long after its end the slot that was read soonest was read, in whole hours; None where some are open."""
    if any(_may_change(slot) for slot in data.slots):
        return None
    return Decimal(min(slot.retrieved_us - slot.end_us for slot in data.slots) // _HOUR_US)


def _may_change(slot: GridSlot) -> bool:
    return slot.estimated or slot.retrieved_us < slot.end_us


def _not_covered(data: GridData, weighed: Weighed) -> str | None:
    if data.start_us <= weighed.start_us and weighed.end_us <= data.end_us:
        return None
    return f"its slots cover {_moment(data.start_us)} to {_moment(data.end_us)}, which the period is not within"


def _not_touched(data: GridData, weighed: Weighed) -> str | None:
    beside = next((one for one in data.slots if one.end_us <= weighed.start_us or one.start_us >= weighed.end_us), None)
    return None if beside is None else f"{_at(beside)} is outside the period"


def _at(slot: GridSlot) -> str:
    return f"the slot at {_moment(slot.start_us)}"


def _moment(microseconds: int) -> str:
    try:
        return times.render_claim(times.from_microseconds(microseconds))
    except OverflowError:
        return "a time after the year 9999"
