"""Whose energy it is where an engine says no steps: by tokens over the whole window. Pure, integers only.

A token of an answer takes a pass over all weights, a token of a prompt shares one with many others, so they weigh
unlike. How unlike depends on model, batch and accelerator, and nobody measures it here: that is why such records say
"phase-weighted", and why their method is no more than "partition-estimate".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agent.attribution.shares import largest_remainder
from agent.attribution.steps import Phase


@dataclass(frozen=True, slots=True)
class PhaseWeights:
    """What a token weighs in each phase, compared with the other."""

    prefill: int
    decode: int

    def of(self, tokens: Mapping[Phase, int]) -> int:
        """Return what tokens weigh together."""
        return self.prefill * tokens.get("prefill", 0) + self.decode * tokens.get("decode", 0)


DEFAULT_WEIGHTS: Final = PhaseWeights(prefill=1, decode=8)
"""An assumption: an H100 does 989 TFLOP/s (BF16, dense) and reads 3.35 TB/s (NVIDIA's data sheet). Per 2-byte weight
a token is 2 FLOP, so a step is as long as reading the weights up to about 295 tokens. With 32 answers at once, a token
of an answer takes 295/32, about 9 times a token of a prompt at the same efficiency; at less than full power, 8."""


def share_by_tokens(
    total_mj: int, tokens: Mapping[str, Mapping[Phase, int]], weights: PhaseWeights = DEFAULT_WEIGHTS
) -> dict[str, int]:
    """Return ``total_mj`` among requests by their tokens of each phase. Who has none gets nothing.

    Where nobody has tokens there are no shares: it is nobody's.
    """
    weighed = {name: weights.of(own) for name, own in tokens.items()}
    if not any(weighed.values()):
        return {}
    return largest_remainder(total_mj, weighed)
