"""What a tenant's and model's inferences have of a window besides energy: exactly the sum of their single credentials. Pure.

The margin (the expanded uncertainty of the energy) is no sum of theirs: each component is weighed by energy and added
linearly, as errors that all have the same sign would, and only then do components meet in quadrature. It is never above
the sum of what the single credentials state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from issuer.carbon.window import WindowClaim
from issuer.claims import uncertainty
from issuer.store.reported import margin_of, tokens_of
from issuer.store.window_records import ShareFurther
from schemas import decimals
from schemas.window_header import WindowHeader
from schemas.window_record import WindowRecord
from verifier.window_match import coverage

_PICO: Final = 12
_NANO: Final = 9
_HUNDRED: Final = 100


@dataclass(frozen=True, slots=True)
class Whole:
    """The window that the records are of: its claim and header, and the durations of all its records together."""

    claim: WindowClaim
    header: WindowHeader
    reserved_us: int


def further_of(records: Sequence[WindowRecord], energy_kwh: Decimal, whole: Whole | None) -> ShareFurther:
    """Return what some records of a window have of it besides their energy; nothing without its claim."""
    if whole is None:
        return ShareFurther()
    further = whole.claim.further
    factor = None if further.market_based is None else further.market_based.market_based_gco2e_per_kwh
    return ShareFurther(
        embodied=None if further.embodied_gco2e is None else _embodied(records, further.embodied_gco2e, whole),
        market=None if factor is None else decimals.render(decimals.multiply(energy_kwh, factor)),
        estimated=_estimated(records, whole),
        margin=_margin(records, energy_kwh, whole),
        requests=sum([record.requests for record in records]),
        tokens=_tokens(records),
        attribution="+".join(sorted({record.attribution for record in records})),
    )


def _embodied(records: Sequence[WindowRecord], window_gco2e: Decimal, whole: Whole) -> str:
    """Return the sum of the records' shares, each rounded half-even as in its own credential (claims.embodied.of_record)."""
    window_ng = int(window_gco2e.scaleb(_NANO, decimals.EXACT))
    parts = max(whole.header.duration_us, whole.reserved_us)
    total_ng = 0
    for record in records:
        quotient, rest = divmod(window_ng * record.duration_us, parts)
        total_ng += quotient + (2 * rest > parts or (2 * rest == parts and quotient % 2))
    return decimals.render(Decimal(total_ng).scaleb(-_NANO, decimals.EXACT))


def _estimated(records: Sequence[WindowRecord], whole: Whole) -> str:
    """Return the estimated energy with its part of the building's, each record's rounded as in its own credential."""
    pico_kwh = sum([(record.estimated_mj * 5000 + 9) // 18 for record in records if record.estimated_mj])
    it_kwh = Decimal(pico_kwh).scaleb(-_PICO, decimals.EXACT)
    facility = whole.claim.facility
    return decimals.render(it_kwh if facility is None else decimals.multiply(it_kwh, facility.pue))


def _tokens(records: Sequence[WindowRecord]) -> int | None:
    total = 0
    for record in records:
        tokens = tokens_of(record.requests, record.input_tokens, record.output_tokens)
        if tokens is None:
            return None
        total += tokens
    return total


def _margin(records: Sequence[WindowRecord], energy_kwh: Decimal, whole: Whole) -> str | None:
    """Return the records' expanded uncertainty in kWh; None where the window has no budget, or one of them has none."""
    budget = whole.claim.further.budget
    used = [(_energy_mj(record), record.duration_us, record.attribution) for record in records]
    energy_mj = sum([energy for energy, _, _ in used])
    if budget is None or not energy_mj or min([duration for _, duration, _ in used]) <= 0:
        return None
    gaps = _gaps(records, energy_mj, whole.header)
    if gaps is None:
        return None
    # The mean power of each, in whole nW rounded up, times the time that its edges are off.
    power = sum([-(-energy * 10**12 // duration) for energy, duration, _ in used])
    timing = Fraction(_HUNDRED * uncertainty.TICK_EDGES_US * power, 10**12 * energy_mj)
    by_method: dict[str, int] = {}
    for energy, _, method in used:
        by_method[method] = by_method.get(method, 0) + energy
    weighed = sum([Fraction(uncertainty.ATTRIBUTION_PERCENT[name]) * energy for name, energy in by_method.items()])
    components = (
        budget.meter,
        _rounded_up(timing),
        gaps,
        _rounded_up(Fraction(weighed) / energy_mj),
        *(() if budget.pue is None else (budget.pue,)),
    )
    return margin_of(energy_kwh, uncertainty.expanded(*components))


def _energy_mj(record: WindowRecord) -> int:
    """Return WindowRecord.energy_mj, written out: there are 50,000 of them in a window."""
    return (
        record.accelerator_active_mj
        + record.accelerator_idle_mj
        + record.accelerator_loaded_idle_mj
        + record.host_cpu_mj
        + record.host_dram_mj
        + record.host_other_mj
        + record.network_mj
    )


def _gaps(records: Sequence[WindowRecord], energy_mj: int, header: WindowHeader) -> Decimal | None:
    """Return u of gaps and estimates, as claims.uncertainty.gaps_percent has it of each, weighed by energy.

    None where one of the records may lie wholly in a gap.
    """
    gap_us, missing = header.largest_gap_us, 1 - Fraction(decimals.parse(coverage(header)))
    if missing >= 1 or min([record.duration_us for record in records]) <= gap_us:
        return None
    of_window = missing / (1 - missing)
    # Of a record that the longest gap may take more of than the window lacks, what that would be: in 1e-12, rounded up.
    limit_us = gap_us * missing.denominator
    longer = [(_energy_mj(one), one.duration_us) for one in records if one.duration_us * missing.numerator < limit_us]
    lost = sum([-(-energy * gap_us * 10**12 // (duration - gap_us)) for energy, duration in longer])
    rest_mj = energy_mj - sum([energy for energy, _ in longer])
    estimated_mj = sum([record.estimated_mj for record in records])
    part = of_window * rest_mj + Fraction(lost, 10**12) + estimated_mj
    return uncertainty.rectangular(_HUNDRED * part / energy_mj)


def _rounded_up(percent: Fraction) -> Decimal:
    return Decimal(-(-percent.numerator * _HUNDRED // percent.denominator)).scaleb(-2)
