from hypothesis import given
from hypothesis import strategies as st

from agent.windows.wall_line import WallLine

S = 1_000_000_000


def test_labels_begin_with_the_clock_and_go_on_by_boottime():
    line = WallLine(5 * S, 1000 * S)

    assert (line.at(5 * S), line.at(9 * S)) == (1000 * S, 1004 * S)


def test_labels_never_begin_before_the_last_window_ended():
    assert WallLine(0, 1000 * S, not_before_ns=1500 * S).at(S) == 1501 * S


def test_a_small_difference_is_gone_after_a_window():
    line = WallLine(0, 1000 * S)
    assert line.turn(10 * S, 1010 * S + S // 2, 10 * S) == S // 2

    assert line.at(20 * S) == 1020 * S + S // 2


def test_a_large_difference_is_followed_by_a_tenth_of_the_time():
    line = WallLine(0, 1000 * S)
    line.turn(10 * S, 1010 * S - 3600 * S, 10 * S)

    assert line.at(20 * S) - line.at(10 * S) == 9 * S


@given(st.lists(st.tuples(st.integers(0, 20 * S), st.integers(-(10**14), 10**14)), max_size=30))
def test_labels_never_go_back_whatever_the_clock_does(turns):
    line, now, label = WallLine(0, 10**18), 0, 10**18
    for passed, jump in turns:
        now += passed
        assert line.at(now) >= label
        label = line.at(now)
        line.turn(now, label + jump, 10 * S)
        assert line.at(now) == label
