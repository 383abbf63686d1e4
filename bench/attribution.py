"""Whose energy it is under batching: how far ways of sharing it are from the truth, in a simulation.

    python -m bench.attribution [--seconds 120] [--seeds 1 2 3]

The agent's own windows are fed: its ledger reads a counter that ticks every 100 ms with 1 % noise, twice as often
and at moments of its own, and an engine tells its steps a little after them (bench/engine_simulation.py).
"""

from __future__ import annotations

import argparse
import bisect
import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.table import Table

from agent.attribution.phase import DEFAULT_WEIGHTS
from agent.attribution.shares import largest_remainder
from agent.measurement import Counts
from agent.meters.protocol import Reading
from agent.windows.engine import PERIOD_S
from agent.windows.ledger_window import WindowLedger
from agent.windows.telemetry import TelemetryWindow
from bench.engine_simulation import BEGIN_NS, NS, REST_W, Asked, Ran, simulate

TICK_NS = NS // 10
WINDOW_S = 10.0
NOISE = 0.01
CONCURRENT = (4, 16, 48)
DELAY_NS = NS // 5
"""How long after its end a step is told: the engine's log sends every tenth of a second."""


class Counter:
    """What all accelerators drew together, as a counter shows it: whole ticks of 100 ms, each 1 % off."""

    name, device, model, unit, scope, method = "simulated-counter", "SIMULATED-0", "8 H100", "mJ", "gpu", "counter"
    simulated, period_s = True, 1.0

    def __init__(self, ran: Ran, seed: int) -> None:
        self._ran = ran
        self._ends_ns = [step.t1_ns for step in ran.steps]
        self._begins_ns = [step.t0_ns for step in ran.steps]
        self._sums_j = [0.0]
        for energy_j in ran.energies_j:
            self._sums_j.append(self._sums_j[-1] + energy_j)
        self._busy_ns = [0]
        for step in ran.steps:
            self._busy_ns.append(self._busy_ns[-1] + step.t1_ns - step.t0_ns)
        self.now_ns = BEGIN_NS - NS
        self._chance = random.Random(seed)
        self._phase_ns = self._chance.randrange(TICK_NS)
        self._shown_mj, self._ticked_ns = 10**9, self._tick_of(self.now_ns)

    def boottime_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return 1_795_204_800 * NS + self.now_ns

    def joules_until(self, at_ns: int) -> float:
        """Return what was truly used until a moment."""
        index = bisect.bisect_right(self._ends_ns, at_ns)
        total_j, busy_ns = self._sums_j[index], self._busy_ns[index]
        if index < len(self._begins_ns) and self._begins_ns[index] < at_ns:
            begun_ns, ended_ns = self._begins_ns[index], self._ends_ns[index]
            total_j += self._ran.energies_j[index] * (at_ns - begun_ns) / (ended_ns - begun_ns)
            busy_ns += at_ns - begun_ns
        return total_j + REST_W * (at_ns - (BEGIN_NS - NS) - busy_ns) / NS

    def read(self) -> Reading:
        tick_ns = self._tick_of(self.now_ns)
        while self._ticked_ns < tick_ns:
            next_ns = self._ticked_ns + TICK_NS
            used_j = self.joules_until(next_ns) - self.joules_until(self._ticked_ns)
            self._shown_mj += round(used_j * 1000 * (1 + self._chance.gauss(0, NOISE)))
            self._ticked_ns = next_ns
        return Reading(self.device, self.now_ns, self.wall_ns(), energy_mj=self._shown_mj, utilization_percent=90)

    def close(self) -> None:
        """Nothing is held."""

    def _tick_of(self, at_ns: int) -> int:
        return (at_ns - self._phase_ns) // TICK_NS * TICK_NS + self._phase_ns


def measured(ran: Ran, seed: int) -> tuple[list[TelemetryWindow], int | None]:
    """Return the agent's windows of what ran, and the residual of its last fit in millionths."""
    counter = Counter(ran, seed)
    windows: list[TelemetryWindow] = []
    ledger = WindowLedger([counter], counter, windows.append, window_s=WINDOW_S)
    ledger.begin()
    engine = ledger.engines.connect()
    open_requests = {}
    events: list[tuple[int, int, Callable[[], None]]] = []

    def begin(one: Asked) -> None:
        open_requests[one.name] = ledger.begin_request(engine, "70b", one.name, None, counter.now_ns)

    def end(one: Asked) -> None:
        counts = Counts(one.prompt, one.made)
        ledger.engines.end(open_requests[one.name], counts, one.ended_ns)

    for one in ran.requests:
        events.append((one.begun_ns, 0, lambda one=one: begin(one)))
        if one.done:
            events.append((one.ended_ns + DELAY_NS, 2, lambda one=one: end(one)))
    for step in ran.steps:
        told = lambda step=step: ledger.engines.step(engine, step.t0_ns, step.t1_ns, step.requests)  # noqa: E731
        events.append((step.t1_ns + DELAY_NS, 1, told))
    chance = random.Random(-seed)
    at_ns = counter.now_ns
    while at_ns < ran.steps[-1].t1_ns + 2 * NS:
        # A thread that sleeps wakes a little late.
        at_ns += int(PERIOD_S * NS) + chance.randrange(2_000_000)
        events.append((at_ns, 3, ledger.tick))
    for at_ns, _, event in sorted(events, key=lambda one: one[:2]):
        counter.now_ns = at_ns
        event()
    ledger.close()
    residual = ledger.engines.fitted.residual_ppm if ledger.engines.fitted else None
    return windows, residual


def by_steps(windows: list[TelemetryWindow]) -> dict[str, float]:
    """Return what the records say, in J, all parts of a request together."""
    found: defaultdict[str, float] = defaultdict(float)
    for window in windows:
        for record in window.records:
            found[record.inference_id.partition("~")[0]] += record.accelerator_active_mj / 1000
    return found


def by_tokens(ran: Ran, counter: Counter, weigh: Callable[[str, int], int]) -> dict[str, float]:
    """Return each window's energy by the tokens that requests had in it."""
    tokens: defaultdict[int, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for step in ran.steps:
        window = int((step.t1_ns - BEGIN_NS) / (WINDOW_S * NS))
        for name, part in step.requests.items():
            tokens[window][name] += weigh(part.phase, part.tokens)
    found: defaultdict[str, float] = defaultdict(float)
    for window, weights in tokens.items():
        start_ns = BEGIN_NS + int(window * WINDOW_S * NS)
        end_ns = min(start_ns + int(WINDOW_S * NS), ran.steps[-1].t1_ns)
        energy_mj = round(1000 * (counter.joules_until(end_ns) - counter.joules_until(start_ns)))
        for name, share_mj in largest_remainder(energy_mj, weights).items():
            found[name] += share_mj / 1000
    return found


def during(ran: Ran, counter: Counter) -> dict[str, float]:
    """Return what the accelerators used while each request ran: counted as often as requests ran."""
    return {one.name: counter.joules_until(one.ended_ns) - counter.joules_until(one.begun_ns) for one in ran.finished}


def errors(ran: Ran, found: Mapping[str, float]) -> list[float]:
    """Return how far each finished request's figure is from the truth, relative to that."""
    return [abs(found.get(one.name, 0.0) - one.true_j) / one.true_j for one in ran.finished]


def compare(concurrent: int, seconds: float, seed: int) -> dict[str, list[float]]:
    """Return the relative errors of all requests, by way of sharing."""
    ran = simulate(concurrent, seconds, seed)
    windows, residual = measured(ran, seed)
    counter = Counter(ran, seed)
    weights = {"prefill": DEFAULT_WEIGHTS.prefill, "decode": DEFAULT_WEIGHTS.decode}
    return {
        "step log": errors(ran, by_steps(windows)),
        "phase-weighted tokens of a window": errors(ran, by_tokens(ran, counter, lambda phase, n: weights[phase] * n)),
        "tokens of a window": errors(ran, by_tokens(ran, counter, lambda _, n: n)),
        "energy while the request ran": errors(ran, during(ran, counter)),
        "(residual of the fit)": [(residual or 0) / 1e6],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare ways of sharing energy under batching, in a simulation.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    chosen = parser.parse_args()
    show(chosen.seconds, chosen.seeds)


def show(seconds: float, seeds: list[int]) -> dict[str, dict[int, float]]:
    """Print the median relative error per request of each way, all seeds together; return it in percent."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    table = Table(
        "median relative error per request",
        *(f"{count} at once" for count in CONCURRENT),
        title=f"sharing energy under batching, simulated: 70B on 8 H100, {seconds:g} s, seeds {seeds}",
        box=None,
    )
    for concurrent in CONCURRENT:
        whole: defaultdict[str, list[float]] = defaultdict(list)
        for seed in seeds:
            for way, values in compare(concurrent, seconds, seed).items():
                whole[way] += values
        for way, values in whole.items():
            found[way][concurrent] = 100 * statistics.median(values)
        for part in (68, 90):
            found[f"step log: {part} of 100 are within"][concurrent] = 100 * _within(whole["step log"], part)
    for way, row in found.items():
        table.add_row(way, *(f"{value:,.1f} %" for value in row.values()))
    Console().print(table)
    return found


def _within(values: list[float], part: int) -> float:
    return sorted(values)[min(len(values) * part // 100, len(values) - 1)]


if __name__ == "__main__":
    main()
