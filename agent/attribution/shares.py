"""Each tick of the counters among the requests that ran in it. Exact in integers: the shares are the whole.

In a step of n requests each weighs c0/n + its own marginal cost, which is its Shapley value, since the cost is affine.
A step counts in a tick by the part of its time that lies there. A tick's energy is shared by these weights with the
largest remainder, ties by request id; a tick that nobody ran in stays idle or unattributed. So, always:

    Σ requests + loaded idle + idle + unattributed = Σ ticks

Weights are fixed-point integers, so the same ticks, steps and coefficients give the same shares on every machine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.attribution.steps import Scheduled, Step, ordered

LONGEST_TICK_NS: Final = 1_000_000_000
"""A counter in use moves within a second. Of a longer tick nobody saw when the energy was used, so requests get at
most the part of it that their steps cover."""

_SCALE: Final = 1 << 20
"""Of the fixed-point weights: finer than any coefficient is known."""


@dataclass(frozen=True, slots=True)
class Coefficients:
    """What a step costs, in nJ: in itself, and for each token read, token made, and token of context."""

    step_nj: int
    prefill_nj: int
    decode_nj: int
    context_nj: int

    def marginal_nj(self, part: Scheduled) -> int:
        """Return what one request adds to a step."""
        of_tokens = self.prefill_nj if part.phase == "prefill" else self.decode_nj
        return of_tokens * part.tokens + self.context_nj * part.context


@dataclass(frozen=True, slots=True)
class Tick:
    """What the counters of ``devices`` accelerators moved by, together, in a stretch of time: ``energy_mj``.

    ``estimated_mj`` of it was filled in; during ``idle_mj`` and ``loaded_idle_mj`` of it the devices said that they
    did no work, the latter with a process on them.
    """

    t0_ns: int
    t1_ns: int
    energy_mj: int
    estimated_mj: int = 0
    idle_mj: int = 0
    loaded_idle_mj: int = 0
    devices: int = 1


@dataclass(slots=True)
class Portion:
    """What one request was given: energy, how much of it was filled in, and when the last of it was counted."""

    energy_mj: int = 0
    estimated_mj: int = 0
    until_ns: int = 0


@dataclass(slots=True)
class Split:
    """Whose the ticks are: requests together + loaded idle + idle + unattributed = all."""

    requests: dict[str, Portion] = field(default_factory=dict)
    loaded_idle_mj: int = 0
    idle_mj: int = 0
    unattributed_mj: int = 0

    @property
    def energy_mj(self) -> int:
        """The sum of all parts."""
        nobodys_mj = self.loaded_idle_mj + self.idle_mj + self.unattributed_mj
        return sum(part.energy_mj for part in self.requests.values()) + nobodys_mj

    def give(self, tick: Tick, shares: Mapping[str, int]) -> None:
        """Add a tick of which ``shares`` are requests' and what is left is nobody's."""
        given_mj = sum(shares.values())
        left_mj = tick.energy_mj - given_mj
        idle_mj = min(tick.idle_mj, left_mj)
        loaded_idle_mj = min(tick.loaded_idle_mj, left_mj - idle_mj)
        self.idle_mj += idle_mj
        self.loaded_idle_mj += loaded_idle_mj
        self.unattributed_mj += left_mj - idle_mj - loaded_idle_mj
        if not given_mj:
            return
        # What was filled in belongs to all alike; a part is never larger than the share that it is of.
        filled = largest_remainder(min(tick.estimated_mj, given_mj), shares)
        for request, energy_mj in shares.items():
            portion = self.requests.setdefault(request, Portion())
            portion.energy_mj += energy_mj
            portion.estimated_mj += filled[request]
            portion.until_ns = max(portion.until_ns, tick.t1_ns)


def even_shares(total: int, count: int) -> list[int]:
    """Return ``count`` integers that differ by at most one and sum to ``total``; the first get the remainder."""
    whole, rest = divmod(total, count)
    return [whole + (1 if index < rest else 0) for index in range(count)]


def largest_remainder(total: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Return integers in proportion to ``weights`` that sum to ``total``; who is equally near is served by id.

    Each differs from its exact part by less than one, and is at most its weight where ``total`` is at most their sum.
    Weights are not negative; where all are 0 they count as equal. Without weights there is nobody, and no shares.
    """
    if not weights:
        return {}
    whole = sum(weights.values())
    if not whole:
        weights, whole = dict.fromkeys(weights, 1), len(weights)
    shares, remainders = {}, []
    for name, weight in weights.items():
        shares[name], rest = divmod(total * weight, whole)
        remainders.append((-rest, name))
    missing = total - sum(shares.values())
    for _, name in sorted(remainders)[:missing]:
        shares[name] += 1
    return shares


def weights_of(step: Step, cost: Coefficients) -> dict[str, int]:
    """Return what each request of a step weighs, in nJ times 2**20: an even part of the step's cost, and its own.

    Where the coefficients say that all is free, the tokens weigh alike.
    """
    even = cost.step_nj * _SCALE // len(step.requests)
    weights = {name: even + cost.marginal_nj(part) * _SCALE for name, part in step.requests.items()}
    if any(weights.values()):
        return weights
    return {name: part.tokens * _SCALE for name, part in step.requests.items()}


def share(ticks: Iterable[Tick], steps: Iterable[Step], cost: Coefficients) -> Split:
    """Return whose the energy of ``ticks`` is, by the ``steps`` that ran in them and what they ``cost``."""
    known = ordered(steps)
    weighed = [weights_of(step, cost) for step in known]
    split = Split()
    first = 0
    reach = _reaches(known)
    for tick in sorted(ticks, key=lambda one: (one.t0_ns, one.t1_ns)):
        # No step before ``first`` reaches as far as this tick, nor as any later one.
        while first < len(known) and reach[first] <= tick.t0_ns:
            first += 1
        within = _within(known, first, tick)
        weights: defaultdict[str, int] = defaultdict(int)
        for index, overlap_ns in within:
            step = known[index]
            for name, weight in weighed[index].items():
                weights[name] += weight * overlap_ns // (step.t1_ns - step.t0_ns)
        most_mj = most_of(tick, [known[index] for index, _ in within])
        split.give(tick, largest_remainder(most_mj, weights))
    return split


def covered_ns(tick: Tick, steps: Iterable[Step]) -> int:
    """Return how long at least one of ``steps``, which are in order, ran during a tick."""
    total_ns, reached_ns = 0, tick.t0_ns
    for step in steps:
        begin_ns, end_ns = max(step.t0_ns, reached_ns), min(step.t1_ns, tick.t1_ns)
        if end_ns > begin_ns:
            total_ns += end_ns - begin_ns
            reached_ns = end_ns
    return total_ns


def most_of(tick: Tick, steps: Sequence[Step]) -> int:
    """Return how much of a tick, in mJ, those may get who ran in it: ``steps``, in order."""
    length_ns = tick.t1_ns - tick.t0_ns
    if length_ns <= LONGEST_TICK_NS:
        return tick.energy_mj
    return tick.energy_mj * covered_ns(tick, steps) // length_ns


def _reaches(steps: Sequence[Step]) -> list[int]:
    """Return how far each step and those before it reach, in ns."""
    reaches, farthest_ns = [], 0
    for step in steps:
        farthest_ns = max(farthest_ns, step.t1_ns)
        reaches.append(farthest_ns)
    return reaches


def _within(steps: Sequence[Step], first: int, tick: Tick) -> list[tuple[int, int]]:
    """Return the steps of a tick from the ``first`` on: index, and for how long they ran in it, in ns."""
    within = []
    for index in range(first, len(steps)):
        step = steps[index]
        if step.t0_ns >= tick.t1_ns:
            break
        overlap_ns = min(step.t1_ns, tick.t1_ns) - max(step.t0_ns, tick.t0_ns)
        if overlap_ns > 0:
            within.append((index, overlap_ns))
    return within
