"""A window whose energy engines' requests shared: their records, and what is left for nobody. Pure, integers only.

Steps come first. What ticks without any step hold is shared among requests of engines that say no steps, by their
tokens ("phase-weighted"). The host's energy follows the accelerators': a request has the part of what no other work
had that it has of the accelerators' energy that no other work had, rounded down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from agent.attribution.phase import share_by_tokens
from agent.attribution.shares import Coefficients, Portion, Split, Tick, covered_ns, largest_remainder, most_of, share
from agent.attribution.steps import Phase, Scheduled, Step, ordered
from agent.measurement import Counts
from agent.windows.telemetry import TelemetryWindow
from schemas.window_record import Attribution, WindowRecord

UNLEARNT: Final = Coefficients(step_nj=0, prefill_nj=1, decode_nj=8, context_nj=0)
"""Until a fit has seen enough: the weights of agent.attribution.phase, inside each tick."""

_NS_PER_US: Final = 1000
_UNUSED: Final = Portion()


@dataclass(frozen=True, slots=True)
class Cut:
    """A window that was measured and is not settled: when it was, by CLOCK_BOOTTIME, and the ticks to be shared.

    All that was used until ``settled_ns`` is in the ticks of this window and of those before.
    """

    window: TelemetryWindow
    start_ns: int
    end_ns: int
    ticks: Sequence[Tick]
    settled_ns: int


@dataclass(frozen=True, slots=True)
class Member:
    """A request at a window's settlement. ``part`` is the number of the record that it gets; ``tokens`` of the window.

    ``final`` where it ended and all that it used is in this window or one before.
    """

    inference_id: str
    model_id: str
    tenant_id: str | None
    begun_ns: int
    ended_ns: int | None
    final: bool
    part: int
    counts: Counts
    stepped: bool
    tokens: Mapping[Phase, int]


def settle(
    cut: Cut, members: Sequence[Member], steps: Sequence[Step], cost: Coefficients, salt: Callable[[], str]
) -> TelemetryWindow:
    """Return the window with a record of each of ``members`` that used something or is final.

    Its sums stay exact: what is given to records is taken from idle, loaded idle and unattributed. Whoever is in
    steps and no member has no record, so its part stays unattributed.
    """
    split = share(cut.ticks, steps, cost)
    _add_unstepped(split, cut, [member for member in members if not member.stepped], steps)
    records = [
        _record(cut, member, split.requests.get(member.inference_id, _UNUSED), salt())
        for member in members
        if member.final or member.inference_id in split.requests
    ]
    return _with(cut, records, split)


def _add_unstepped(split: Split, cut: Cut, members: Sequence[Member], steps: Sequence[Step]) -> None:
    """Share the ticks in which nobody stepped, and ``members`` were open, by their tokens over the whole window."""
    tokens = {member.inference_id: member.tokens for member in members}
    if not any(sum(own.values()) for own in tokens.values()):
        return
    present = ordered(
        Step(member.begun_ns, member.ended_ns or cut.end_ns, {member.inference_id: Scheduled(0, 0, "decode")})
        for member in members
    )
    stepped = ordered(steps)
    free = [tick for tick in cut.ticks if not covered_ns(tick, stepped) and covered_ns(tick, present)]
    amounts = [most_of(tick, present) for tick in free]
    total_mj = sum(amounts)
    filled_mj = sum(min(tick.estimated_mj, amount) for tick, amount in zip(free, amounts, strict=True))
    shares = share_by_tokens(total_mj, tokens)
    filled = largest_remainder(filled_mj, shares) if total_mj else {}
    for tick, amount in zip(free, amounts, strict=True):
        _take_back(split, tick, amount)
    for name, energy_mj in shares.items():
        if energy_mj:
            split.requests[name] = Portion(energy_mj, filled[name], max(tick.t1_ns for tick in free))


def _take_back(split: Split, tick: Tick, amount_mj: int) -> None:
    """Take ``amount_mj`` of a tick that was nobody's away from there: idle last."""
    working_mj = tick.energy_mj - min(tick.idle_mj + tick.loaded_idle_mj, tick.energy_mj)
    unattributed_mj = min(working_mj, amount_mj)
    loaded_idle_mj = min(tick.loaded_idle_mj, amount_mj - unattributed_mj)
    split.unattributed_mj -= unattributed_mj
    split.loaded_idle_mj -= loaded_idle_mj
    split.idle_mj -= amount_mj - unattributed_mj - loaded_idle_mj


def _record(cut: Cut, member: Member, portion: Portion, salt: str) -> WindowRecord:
    start_ns = max(member.begun_ns, cut.start_ns)
    # What was counted last may have been counted a tick after the request had ended.
    end_ns = cut.end_ns if member.ended_ns is None else max(member.ended_ns, portion.until_ns)
    end_ns = min(max(end_ns, start_ns + _NS_PER_US), cut.end_ns)
    start_ns = min(start_ns, end_ns)
    nobodys_mj = cut.window.energy_mj - cut.window.active_mj
    host = [
        (whole - sum(getattr(record, name) for record in cut.window.records)) * portion.energy_mj // max(nobodys_mj, 1)
        for name, whole in (
            ("host_cpu_mj", cut.window.host_cpu_mj),
            ("host_dram_mj", cut.window.host_dram_mj),
            ("host_other_mj", cut.window.host_other_mj),
        )
    ]
    attribution: Attribution = "step-log" if member.stepped else "phase-weighted"
    whole = member.final and member.part == 1
    return WindowRecord(
        accelerator_active_mj=portion.energy_mj,
        accelerator_idle_mj=0,
        accelerator_loaded_idle_mj=0,
        attribution=attribution,
        duration_us=(end_ns - start_ns) // _NS_PER_US,
        end_us=_label_us(cut, end_ns),
        estimated_mj=portion.estimated_mj,
        host_cpu_mj=host[0],
        host_dram_mj=host[1],
        host_other_mj=host[2],
        inference_id=member.inference_id if whole else f"{member.inference_id}~{member.part}",
        input_tokens=member.counts.input_tokens if member.final else None,
        model_id=member.model_id,
        network_mj=0,
        output_tokens=member.counts.output_tokens if member.final else None,
        requests=member.counts.requests if member.final else 0,
        salt=salt,
        start_us=_label_us(cut, start_ns),
        tenant_id=member.tenant_id,
        v=1,
    )


def _label_us(cut: Cut, at_ns: int) -> int:
    """Return the wall time of a moment of the window: on the line between the labels of its ends."""
    window, length_ns = cut.window, max(cut.end_ns - cut.start_ns, 1)
    return window.start_us + (at_ns - cut.start_ns) * (window.end_us - window.start_us) // length_ns


def _with(cut: Cut, records: Sequence[WindowRecord], split: Split) -> TelemetryWindow:
    window = cut.window
    taken_idle_mj = sum(min(tick.idle_mj, tick.energy_mj) for tick in cut.ticks) - split.idle_mj
    taken_loaded_mj = sum(_loaded(tick) for tick in cut.ticks) - split.loaded_idle_mj
    given_mj = sum(record.accelerator_active_mj for record in records)
    return replace(
        window,
        records=(*window.records, *records),
        idle_mj=window.idle_mj - taken_idle_mj,
        loaded_idle_mj=window.loaded_idle_mj - taken_loaded_mj,
        unattributed_mj=window.unattributed_mj - (given_mj - taken_idle_mj - taken_loaded_mj),
    )


def _loaded(tick: Tick) -> int:
    return min(tick.loaded_idle_mj, tick.energy_mj - min(tick.idle_mj, tick.energy_mj))
