import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ReadingFailedError
from agent.meters.power import IntegratingMeter
from agent.windows.tap import Tap, union
from tests.fakes.agent import FakeMeter, HandClock

S = 1_000_000_000


@pytest.mark.parametrize(
    ("holes", "expected"),
    [
        ([], (0, 0)),
        ([(2, 4)], (2, 2)),
        ([(0, 4), (3, 6)], (6, 6)),
        ([(0, 2), (5, 6)], (3, 2)),
        ([(1, 2), (2, 3)], (2, 2)),
        ([(3, 5), (0, 9)], (9, 9)),
        ([(-5, 1), (9, 50)], (2, 1)),
        ([(20, 30)], (0, 0)),
    ],
)
def test_holes_are_counted_once_and_within_the_window(holes, expected):
    assert union(holes, 0, 10) == expected


@given(st.lists(st.tuples(st.integers(-5, 25), st.integers(-5, 25)), max_size=8))
def test_holes_are_those_of_every_single_moment(pairs):
    holes = [(min(pair), max(pair)) for pair in pairs]
    open_at = [any(begin <= moment < until for begin, until in holes) for moment in range(20)]
    longest = max(map(len, "".join("x" if one else " " for one in open_at).split()), default=0)

    assert union(holes, 0, 20) == (sum(open_at), longest)


def test_a_meter_without_a_counter_is_no_counter_of_zero():
    with pytest.raises(ReadingFailedError, match="no counter"):
        Tap(FakeMeter(HandClock(), energy_mj=None, power_mw=5)).read()


def test_integrated_power_is_a_counter_and_a_gap_in_its_samples_is_estimated():
    clock = HandClock()
    tap = Tap(IntegratingMeter(FakeMeter(clock, energy_mj=None, power_mw=100_000, method="integrated")))
    tap.read()
    tap.begin(clock.boottime_ns())
    clock.advance(0.1)
    tap.read()
    clock.advance(5)
    tap.read()
    counted = tap.counted(clock.boottime_ns())

    assert (counted.accelerator.energy_mj, counted.estimated_mj) == (510_000, 500_000)
    assert union(counted.holes, 0, 10**15) == (5 * S, 5 * S)
    assert "sampling-gap" in counted.flags


def compared(counter_mw, power_mw, seconds=61):
    clock = HandClock()
    meter = FakeMeter(clock, power_mw=power_mw)
    tap = Tap(meter)
    tap.read()
    tap.begin(clock.boottime_ns())
    for _ in range(seconds):
        clock.advance(1)
        meter.energy_mj += counter_mw
        tap.read()
    return tap.counted(clock.boottime_ns()).flags


@pytest.mark.parametrize("counter_mw", [100_000, 91_000, 109_000])
def test_a_counter_that_agrees_with_power_within_a_tenth_is_not_flagged(counter_mw):
    assert compared(counter_mw, 100_000) == frozenset()


@pytest.mark.parametrize("counter_mw", [89_000, 111_000, 1_000_000])
def test_a_counter_that_disagrees_with_power_by_more_than_a_tenth_is_flagged(counter_mw):
    assert compared(counter_mw, 100_000) == {"power-disagrees"}


def test_a_few_seconds_are_too_short_to_hold_a_counter_against_power():
    assert compared(10_000, 100_000, seconds=50) == frozenset()


def test_the_comparison_goes_on_over_windows():
    clock = HandClock()
    meter = FakeMeter(clock, power_mw=100_000)
    tap = Tap(meter)
    tap.read()
    flags = []
    for _ in range(7):
        tap.begin(clock.boottime_ns())
        for _ in range(10):
            clock.advance(1)
            meter.energy_mj += 50
            tap.read()
        flags.append("power-disagrees" in tap.counted(clock.boottime_ns()).flags)

    assert flags == [False] * 5 + [True, False]
