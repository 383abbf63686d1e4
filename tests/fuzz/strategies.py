"""Hypothesis strategies over ``mutation``: a valid example, and edits that shrink to fewer and smaller ones."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.fuzz.mutation import Edit, edited

_NUMBER = st.integers(0, (1 << 16) - 1)
_EDITS = st.lists(st.builds(Edit, _NUMBER, _NUMBER, _NUMBER, _NUMBER), min_size=0, max_size=4)


def mutated(examples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Draw one of the examples with up to four edits, parts of the others spliced in."""
    return st.builds(lambda raw, edits: edited(raw, edits, examples), st.sampled_from([*examples]), _EDITS)


def inputs(examples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Draw mutated examples mostly, and now and then bytes of no origin."""
    return st.one_of(mutated(examples), mutated(examples), mutated(examples), st.binary(max_size=200))
