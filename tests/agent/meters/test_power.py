import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ReadingFailedError
from agent.meters.power import IntegratingMeter, trapezoid_mj
from tests.fakes.agent import FakeMeter, HandClock

POWERS = st.lists(st.tuples(st.integers(0, 2_000_000), st.integers(1, 900_000_000)), min_size=1, max_size=40)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def power(clock):
    return FakeMeter(clock, energy_mj=None, power_mw=200_000, method="integrated", period_s=0.1)


def test_constant_power_gives_power_times_time(clock, power):
    meter = IntegratingMeter(power)
    meter.read()
    for _ in range(10):
        clock.advance(0.1)
        last = meter.read()

    assert last.energy_mj == 200_000
    assert last.estimated_mj == 0


def test_a_ramp_is_integrated_exactly(clock, power):
    meter = IntegratingMeter(power)
    meter.read()
    clock.advance(1)
    power.power_mw = 400_000

    assert meter.read().energy_mj == 300_000


def test_the_first_reading_starts_at_zero(power):
    assert IntegratingMeter(power).read().energy_mj == 0


def test_a_long_stretch_without_a_sample_counts_as_estimated(clock, power):
    meter = IntegratingMeter(power)
    meter.read()
    clock.advance(0.1)
    meter.read()
    clock.advance(5)
    last = meter.read()

    assert (last.energy_mj, last.estimated_mj) == (1_020_000, 1_000_000)


def test_a_stretch_over_a_new_epoch_counts_as_estimated(clock, power):
    meter = IntegratingMeter(power)
    meter.read()
    clock.advance(0.1)
    power.epoch = 1

    assert meter.read().estimated_mj == 20_000


def test_a_failed_sample_is_bridged_by_the_next(clock, power):
    meter = IntegratingMeter(power)
    meter.read()
    power.broken = True
    clock.advance(0.1)
    with pytest.raises(ReadingFailedError):
        meter.read()
    power.broken = False
    clock.advance(0.1)

    assert meter.read().energy_mj == 40_000


def test_power_that_is_not_given_is_no_zero(power):
    power.power_mw = None
    with pytest.raises(ReadingFailedError, match="gave no power"):
        IntegratingMeter(power).read()


def test_it_says_that_it_integrates(power):
    meter = IntegratingMeter(power)

    assert (meter.unit, meter.method, meter.device, meter.period_s) == ("mJ", "integrated", "GPU-a", 0.1)


@given(POWERS)
def test_the_integral_never_falls_and_rounding_does_not_add_up(samples):
    clock = HandClock()
    power = FakeMeter(clock, energy_mj=None, power_mw=samples[0][0])
    meter = IntegratingMeter(power)
    last_mj = meter.read().energy_mj
    exact, before_mw = 0, samples[0][0]
    for power_mw, pause_ns in samples:
        clock.advance(pause_ns / 1e9)
        power.power_mw = power_mw
        exact += (before_mw + power_mw) * pause_ns
        before_mw = power_mw
        now_mj = meter.read().energy_mj
        assert now_mj >= last_mj
        last_mj = now_mj

    assert last_mj == exact // (2 * 10**9)


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**13))
def test_the_trapezoid_is_the_nearest_millijoule(first_mw, last_mw, span_ns):
    twice_exact = (first_mw + last_mw) * span_ns

    assert abs(trapezoid_mj(first_mw, last_mw, span_ns) * 2 * 10**9 - twice_exact) <= 10**9
