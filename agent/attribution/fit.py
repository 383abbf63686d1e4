"""What a step costs, learnt online from the counters. Pure; the one place of the attribution with floats.

    ΔE ≈ c0·steps + c1·prefill + c2·decode + c3·context        c0 … c3 ≥ 0

One observation a tick, old ones forgotten exponentially, so only the 4 × 4 normal equations are kept. Their
non-negative least squares are found by active sets (Lawson and Hanson, "Solving Least Squares Problems", ch. 23). The
result is rounded to whole nanojoules before anything is shared by it, and is published with its residual.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from agent.attribution.shares import Coefficients, Tick, covered_ns
from agent.attribution.steps import Load, Step, load_of, ordered

HALF_LIFE_S: Final = 60.0
"""How long an observation takes to count half: clocks and temperature change what a step costs within minutes."""

FEWEST_TICKS: Final = 12
"""Observations, three for each unknown, below which nothing is said to be learnt."""

_COVERED_PERCENT: Final = 90
"""A tick in which the engine ran for less than this is no observation: its energy is partly that of waiting."""

_NJ_PER_MJ: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_PPM: Final = 1_000_000
_UNKNOWNS: Final = 4
_TINY: Final = 1e-10
"""Added to the diagonal, relative to it: where two columns move together their costs are split, not infinite."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was learnt up to a window: costs for one accelerator, and how well they explain the window.

    ``residual_ppm`` is the root mean square of what is left unexplained, relative to the mean tick, in millionths;
    None where the window had no tick to compare with. ``ticks`` is how many observations of the window there were.
    """

    cost: Coefficients
    residual_ppm: int | None
    ticks: int


class Fit:
    """The observations of one pool of accelerators, forgotten by half every ``half_life_s``."""

    def __init__(self, half_life_s: float = HALF_LIFE_S) -> None:
        """Begin with none."""
        self._half_life_ns = half_life_s * _NS_PER_S
        self._normal = [[0.0] * _UNKNOWNS for _ in range(_UNKNOWNS)]
        self._moments = [0.0] * _UNKNOWNS
        self._seen = 0
        self._at_ns = 0

    def learn(self, ticks: Iterable[Tick], steps: Iterable[Step]) -> Fitted | None:
        """Learn from a window, and return what is known with it; None where too little was ever seen."""
        observed = observations(ticks, steps)
        for at_ns, load, energy_mj in observed:
            self._add(at_ns, load, energy_mj)
        if self._seen < FEWEST_TICKS:
            return None
        solved = nonnegative_least_squares(self._normal, self._moments)
        cost = Coefficients(*(round(value * _NJ_PER_MJ) for value in solved))
        return Fitted(cost, _residual_ppm(cost, observed), len(observed))

    def _add(self, at_ns: int, load: Sequence[float], energy_mj: int) -> None:
        passed_ns = max(0, at_ns - self._at_ns) if self._seen else 0
        kept = 0.5 ** (passed_ns / self._half_life_ns)
        for row in range(_UNKNOWNS):
            self._moments[row] = self._moments[row] * kept + load[row] * energy_mj
            for column in range(_UNKNOWNS):
                self._normal[row][column] = self._normal[row][column] * kept + load[row] * load[column]
        self._at_ns = max(self._at_ns, at_ns)
        self._seen += 1


def observations(ticks: Iterable[Tick], steps: Iterable[Step]) -> list[tuple[int, list[float], int]]:
    """Return, of each tick in which an engine ran, when it ended, its load times its accelerators, and its mJ."""
    known = ordered(steps)
    loads = [load_of(step) for step in known]
    found = []
    first = 0
    for tick in sorted(ticks, key=lambda one: (one.t0_ns, one.t1_ns)):
        while first < len(known) and known[first].t1_ns <= tick.t0_ns:
            first += 1
        last = first
        while last < len(known) and known[last].t0_ns < tick.t1_ns:
            last += 1
        # A tick is no longer than its covered part by much, and nothing of it was filled in.
        length_ns = tick.t1_ns - tick.t0_ns
        covered = covered_ns(tick, known[first:last]) * 100 >= _COVERED_PERCENT * length_ns
        if length_ns > 0 and covered and not tick.estimated_mj:
            load = _load_in(tick, known[first:last], loads[first:last])
            found.append((tick.t1_ns, [part * tick.devices for part in load], tick.energy_mj))
    return found


def nonnegative_least_squares(normal: Sequence[Sequence[float]], moments: Sequence[float]) -> list[float]:
    """Return x ≥ 0 that minimizes xᵀ·normal·x − 2·xᵀ·moments; ``normal`` is symmetric, and not negative.

    Columns are brought to one scale first: contexts are counted in hundred thousands, steps in ones.
    """
    size = len(moments)
    scale = [math.sqrt(normal[index][index]) or 1.0 for index in range(size)]
    matrix = [[normal[row][column] / (scale[row] * scale[column]) for column in range(size)] for row in range(size)]
    target = [moments[index] / scale[index] for index in range(size)]
    for index in range(size):
        matrix[index][index] += _TINY
    solution = _active_sets(matrix, target)
    return [solution[index] / scale[index] for index in range(size)]


def _active_sets(matrix: Sequence[Sequence[float]], target: Sequence[float]) -> list[float]:
    size = len(target)
    solution = [0.0] * size
    free: list[int] = []
    enough = 1e-12 * max(map(abs, target), default=0.0)
    # Each set is seen once: of four unknowns there are sixteen.
    for _ in range(2**size):
        slopes = {
            index: target[index] - sum(matrix[index][other] * solution[other] for other in range(size))
            for index in range(size)
            if index not in free and matrix[index][index] > 2 * _TINY
        }
        steepest = max(slopes, key=lambda index: (slopes[index], -index), default=None)
        if steepest is None or slopes[steepest] <= enough:
            break
        free = sorted([*free, steepest])
        solution, free = _step_inside(matrix, target, solution, free)
    return solution


def _step_inside(
    matrix: Sequence[Sequence[float]], target: Sequence[float], solution: list[float], free: list[int]
) -> tuple[list[float], list[int]]:
    """Return the best solution over the unknowns that are ``free``, less those that would become negative."""
    while free:
        best = _solve([[matrix[row][column] for column in free] for row in free], [target[row] for row in free])
        wanted = dict(zip(free, best, strict=True))
        if min(best) > 0:
            return [wanted.get(index, 0.0) for index in range(len(solution))], free
        # As far towards it as none becomes negative; who arrives at zero is bound there.
        limits = {index: solution[index] / (solution[index] - value) for index, value in wanted.items() if value <= 0}
        far = min(limits.values())
        solution = [
            value + far * (wanted[index] - value) if index in wanted else 0.0 for index, value in enumerate(solution)
        ]
        free = [index for index in free if limits.get(index, math.inf) > far]
        solution = [value if index in free else 0.0 for index, value in enumerate(solution)]
    return [0.0] * len(solution), []


def _solve(matrix: Sequence[Sequence[float]], target: Sequence[float]) -> list[float]:
    """Return the solution of a system that is positive definite, by elimination with pivots."""
    size = len(target)
    rows = [[*matrix[index], target[index]] for index in range(size)]
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(rows[row][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for row in range(column + 1, size):
            factor = rows[row][column] / rows[column][column]
            rows[row] = [value - factor * above for value, above in zip(rows[row], rows[column], strict=True)]
    solution = [0.0] * size
    for row in reversed(range(size)):
        known = sum(rows[row][column] * solution[column] for column in range(row + 1, size))
        solution[row] = (rows[row][size] - known) / rows[row][row]
    return solution


def _load_in(tick: Tick, steps: Sequence[Step], loads: Sequence[Load]) -> list[float]:
    total = [0.0] * _UNKNOWNS
    for step, load in zip(steps, loads, strict=True):
        overlap_ns = min(step.t1_ns, tick.t1_ns) - max(step.t0_ns, tick.t0_ns)
        if overlap_ns > 0:
            part = overlap_ns / (step.t1_ns - step.t0_ns)
            total = [value + part * own for value, own in zip(total, load, strict=True)]
    return total


def _residual_ppm(cost: Coefficients, observed: Sequence[tuple[int, list[float], int]]) -> int | None:
    whole_mj = sum(energy_mj for _, _, energy_mj in observed)
    if not whole_mj:
        return None
    costs = (cost.step_nj, cost.prefill_nj, cost.decode_nj, cost.context_nj)
    squares = 0.0
    for _, load, energy_mj in observed:
        explained_mj = sum(own * part for own, part in zip(costs, load, strict=True)) / _NJ_PER_MJ
        squares += (energy_mj - explained_mj) ** 2
    return round(math.sqrt(squares / len(observed)) * len(observed) / whole_mj * _PPM)
