"""Without steps: by tokens, exactly, and who had none gets none."""

from hypothesis import given
from hypothesis import strategies as st

from agent.attribution.phase import PhaseWeights, share_by_tokens

TOKENS = st.dictionaries(
    st.text("abcd", min_size=1, max_size=3),
    st.dictionaries(st.sampled_from(["prefill", "decode"]), st.integers(0, 10**6)),
    max_size=9,
)


@given(st.integers(0, 10**10), TOKENS)
def test_the_shares_are_the_whole_or_there_are_none(total, tokens):
    shares = share_by_tokens(total, tokens)

    had = any(count for own in tokens.values() for count in own.values())
    assert sum(shares.values()) == (total if had else 0)
    assert all(shares[name] == 0 for name in shares if not any(tokens[name].values()))


def test_a_token_of_an_answer_weighs_more():
    tokens = {"reader": {"prefill": 80}, "writer": {"decode": 10}}

    assert share_by_tokens(160, tokens, PhaseWeights(prefill=1, decode=8)) == {"reader": 80, "writer": 80}
