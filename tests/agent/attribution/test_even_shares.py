from hypothesis import given
from hypothesis import strategies as st

from agent.attribution.shares import even_shares

MJ = st.integers(0, 10**15)


@given(MJ, st.integers(1, 500))
def test_the_shares_are_the_whole(total, count):
    assert sum(even_shares(total, count)) == total


@given(MJ, st.integers(1, 500))
def test_no_share_exceeds_another_by_more_than_one(total, count):
    shares = even_shares(total, count)

    assert len(shares) == count
    assert max(shares) - min(shares) <= 1


def test_the_first_get_the_remainder():
    assert even_shares(11, 3) == [4, 4, 3]
