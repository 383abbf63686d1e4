"""A node's windows taken one after the other, for the tests of the chain."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.soft_tpm import START_US, Made, Node
from verifier.attestation import chain
from verifier.attestation.chain_state import ChainState, FlagKind, Step
from verifier.attestation.errors import ChainError
from verifier.attestation.window import check_window

LATER_US = START_US + 3_600_000_000


def taken(state: ChainState, made: Made, *, now_us: int = LATER_US, **options: Any) -> Step:
    return chain.advance(state, check_window(made.evidence, made.records), now_us=now_us, **options)


def run(node: Node, count: int = 1) -> ChainState:
    """Return the state after ``count`` honest windows."""
    state = node.begun()
    for _ in range(count):
        state = taken(state, node.window()).state
    return state


def kinds(step: Step) -> list[FlagKind]:
    return [flag.kind for flag in step.flags]


def refused(error: type[ChainError], node: Node, state: ChainState, **lies: Any) -> ChainError:
    """Return the error that the node's next window, made with these lies, is refused with."""
    made = node.window(**lies)
    with pytest.raises(error) as caught:
        taken(state, made)
    return caught.value
