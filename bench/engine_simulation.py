"""An engine with continuous batching, simulated: steps, what each costs, and whose that truly is.

A 70B model in BF16 on 8 H100 SXM. Facts from public sources:

- Llama 3.1 70B (model card and config.json): 70.6e9 weights, 80 layers, hidden size 8192, 8 KV heads of 128, so
  320 KiB of keys and values a token; a token takes 2 FLOP a weight, and 4 · layers · hidden a token of its context.
- H100 SXM (NVIDIA's data sheet): 989 TFLOP/s BF16 dense, 3.35 TB/s, 700 W.
- HBM: 3.9 pJ a bit (O'Connor et al., "Fine-Grained DRAM", MICRO 2017, for HBM2), 31 pJ a byte.

Assumptions, no measurements: half of the peak FLOP/s and 70 % of the bandwidth are reached; a step takes 2 ms besides;
an accelerator draws 100 W at rest and 250 W at work before it computes or moves anything; 0.4 pJ a FLOP, so that the
parts together come to about 700 W at the peak of both.

A step's cost is not affine: it is as long as the slower of computing and reading weights. So what the attribution
learns is an approximation of it, and the truth is the exact Shapley value of each step's energy.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations

from agent.attribution.steps import Scheduled, Step

GPUS = 8
WEIGHTS = 70.6e9
LAYERS, HIDDEN = 80, 8192
KV_BYTES = 2 * 2 * LAYERS * 8 * 128
FLOPS = GPUS * 989e12 * 0.5
BYTES_PER_S = GPUS * 3.35e12 * 0.7
OVERHEAD_S = 0.002
REST_W, WORK_W = GPUS * 100.0, GPUS * 250.0
J_PER_FLOP, J_PER_BYTE = 0.4e-12, 31e-12
TOKENS_A_STEP, PROMPTS_A_STEP = 2048, 4
NS = 1_000_000_000
BEGIN_NS = 1000 * NS


@dataclass
class Asked:
    """A request: how many tokens it has, how far it is, when it ran, and what it truly used."""

    name: str
    prompt: int
    answer: int
    read: int = 0
    made: int = 0
    begun_ns: int = 0
    ended_ns: int = 0
    true_j: float = 0.0

    @property
    def done(self) -> bool:
        return self.made >= self.answer


@dataclass
class Ran:
    """What was simulated: steps in order, their energies in J, and all requests."""

    steps: list[Step] = field(default_factory=list)
    energies_j: list[float] = field(default_factory=list)
    requests: list[Asked] = field(default_factory=list)

    @property
    def finished(self) -> list[Asked]:
        return [one for one in self.requests if one.done]


def linear_s(tokens: int) -> float:
    """Return how long a step of ``tokens`` takes without attention."""
    return max(2 * WEIGHTS * tokens / FLOPS, 2 * WEIGHTS / BYTES_PER_S) + OVERHEAD_S


def own_s(part: Scheduled) -> tuple[float, float]:
    """Return what one request's attention adds to a step: seconds, and J besides those of the power at work."""
    if part.phase == "prefill":
        flop = 4.0 * LAYERS * HIDDEN * part.tokens * (part.context + part.tokens / 2)
        moved = KV_BYTES * part.context
        return flop / FLOPS, flop * J_PER_FLOP + moved * J_PER_BYTE
    moved = KV_BYTES * (part.context + part.tokens)
    return moved / BYTES_PER_S, moved * J_PER_BYTE


@cache
def common_j(tokens: int) -> float:
    """Return the energy of a step of ``tokens`` without attention: weights are read once, whoever is in it."""
    if not tokens:
        return 0.0
    return WORK_W * linear_s(tokens) + 2 * WEIGHTS * (tokens * J_PER_FLOP + J_PER_BYTE)


def shapley_j(parts: Mapping[str, Scheduled]) -> dict[str, float]:
    """Return the exact Shapley value of each request in a step: what they share, and what is their own."""
    prompts = [name for name, part in parts.items() if part.phase == "prefill"]
    sizes = tuple(parts[name].tokens for name in prompts)
    answers = len(parts) - len(prompts)
    of_prompts, of_answer = _common_values(sizes, answers)
    values = dict(zip(prompts, of_prompts, strict=True))
    return {
        name: values.get(name, of_answer) + WORK_W * own_s(part)[0] + own_s(part)[1] for name, part in parts.items()
    }


def _common_values(sizes: tuple[int, ...], answers: int) -> tuple[list[float], float]:
    """Return the Shapley values of the common cost: of each prompt, and of each answer, which all have one token."""
    players = len(sizes) + answers
    # The chance that a player comes after exactly ``before`` given others.
    chance = [1 / (players * math.comb(players - 1, before)) for before in range(players)]

    def value(tokens: int, others: Sequence[int], ones: int) -> float:
        total = 0.0
        for size in range(len(others) + 1):
            for chosen in combinations(others, size):
                base = sum(chosen)
                total += sum(
                    math.comb(ones, count)
                    * chance[size + count]
                    * (common_j(base + count + tokens) - common_j(base + count))
                    for count in range(ones + 1)
                )
        return total

    of_prompts = [value(size, sizes[:index] + sizes[index + 1 :], answers) for index, size in enumerate(sizes)]
    return of_prompts, value(1, sizes, answers - 1) if answers else 0.0


def simulate(concurrent: int, seconds: float, seed: int) -> Ran:
    """Return an engine under constant load: as soon as a request is done, the next one comes."""
    chance = random.Random(f"{seed} {concurrent}")
    ran, now_ns = Ran(), BEGIN_NS
    asking = _asking(chance)
    running: list[Asked] = []
    # They come within a second, not all at once.
    arrivals = sorted(BEGIN_NS + int(chance.random() * NS) for _ in range(concurrent))
    while now_ns < BEGIN_NS + seconds * NS:
        while arrivals and arrivals[0] <= now_ns:
            arrivals.pop(0)
            running.append(next(asking))
            running[-1].begun_ns = now_ns
            ran.requests.append(running[-1])
        if not running:
            now_ns = arrivals[0]
            continue
        parts = _schedule(running)
        seconds_taken = linear_s(sum(part.tokens for part in parts.values()))
        seconds_taken += sum(own_s(part)[0] for part in parts.values())
        values = shapley_j(parts)
        end_ns = now_ns + int(seconds_taken * NS)
        ran.steps.append(Step(now_ns, end_ns, parts))
        ran.energies_j.append(sum(values.values()))
        now_ns = end_ns
        for one in running:
            one.true_j += values.get(one.name, 0.0)
            _advance(one, parts.get(one.name), now_ns)
        arrivals += [now_ns] * sum(one.done for one in running)
        running = [one for one in running if not one.done]
    return ran


def _asking(chance: random.Random) -> Iterator[Asked]:
    number = 0
    while True:
        prompt = min(max(int(chance.lognormvariate(math.log(500), 0.8)), 16), 6000)
        answer = min(max(int(chance.lognormvariate(math.log(200), 0.7)), 8), 1500)
        yield Asked(f"r{number}", prompt, answer)
        number += 1


def _schedule(running: Sequence[Asked]) -> dict[str, Scheduled]:
    """Return the next step: every answer goes on by a token, and prompts are read in pieces in what is left."""
    parts = {one.name: Scheduled(1, one.prompt + one.made - 1, "decode") for one in running if one.read == one.prompt}
    left, prompts = TOKENS_A_STEP - len(parts), 0
    for one in running:
        if one.read < one.prompt and left > 0 and prompts < PROMPTS_A_STEP:
            piece = min(left, one.prompt - one.read)
            parts[one.name] = Scheduled(piece, one.read, "prefill")
            left, prompts = left - piece, prompts + 1
    return parts


def _advance(one: Asked, part: Scheduled | None, now_ns: int) -> None:
    if part is None:
        return
    if part.phase == "prefill":
        one.read += part.tokens
        # The pass over the last of the prompt gives the first token.
        one.made += one.read == one.prompt
    else:
        one.made += 1
    if one.done:
        one.ended_ns = now_ns
