"""What an engine computed: steps, each a forward pass over the tokens of several requests. Pure, integers only.

Step(t0_ns, t1_ns, {"a": Scheduled(512, 0, "prefill"), "b": Scheduled(1, 1731, "decode")})
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Phase: TypeAlias = Literal["prefill", "decode"]
"""Whether a request's prompt is read in a step, or its answer is continued."""


class Scheduled(NamedTuple):
    """What one request has in one step: tokens computed, and how many tokens of it came before them (its context)."""

    tokens: int
    context: int
    phase: Phase


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an engine from ``t0_ns`` to ``t1_ns`` (CLOCK_BOOTTIME): what each request had in it, by its id."""

    t0_ns: int
    t1_ns: int
    requests: Mapping[str, Scheduled]


class Load(NamedTuple):
    """What a step costs by: itself, tokens of prompts read, tokens of answers made, tokens of context looked at."""

    steps: int
    prefill: int
    decode: int
    context: int


def load_of(step: Step) -> Load:
    """Return the load of a step. A step of nobody has none."""
    parts = step.requests.values()
    return Load(
        steps=1 if step.requests else 0,
        prefill=sum(part.tokens for part in parts if part.phase == "prefill"),
        decode=sum(part.tokens for part in parts if part.phase == "decode"),
        context=sum(part.context for part in parts),
    )


def ordered(steps: Iterable[Step]) -> list[Step]:
    """Return steps by time, in one order whatever order they came in; one that came twice stands once.

    A step that takes no time, or is of nobody, is left out: nothing can be shared by it.
    """
    known = {
        (step.t0_ns, step.t1_ns, tuple(sorted(step.requests.items()))): step
        for step in steps
        if step.t1_ns > step.t0_ns and step.requests
    }
    return [known[key] for key in sorted(known)]
