from dataclasses import replace

import pytest

from agent.errors import ReadingFailedError
from agent.meters.check import check
from tests.fakes.agent import FakeMeter, HandClock


class TickingMeter(FakeMeter):
    """A counter that moves every 100 ms, at 300 W, in a reading of 0.2 ms."""

    def read(self):
        self._clock.advance(0.0002)
        self.energy_mj = self._clock.boottime_ns() // 100_000_000 * 30_000
        return super().read()


def checked(clock, meter, seconds=2.0):
    return check(meter, clock, seconds, sleep=clock.advance)


def test_the_tick_of_a_counter_is_found():
    clock = HandClock()

    assert checked(clock, TickingMeter(clock)).tick_us == pytest.approx(100_000, rel=0.06)


def test_the_cost_of_a_reading_is_found():
    clock = HandClock()

    assert checked(clock, TickingMeter(clock)).cost_us == pytest.approx(200, abs=1)


def test_counter_and_integral_of_power_stand_side_by_side():
    clock = HandClock()
    found = checked(clock, TickingMeter(clock, power_mw=300_000), 20)

    assert found.counted_mj == pytest.approx(6_000_000, rel=0.01)
    assert found.integral_mj == pytest.approx(6_000_000, rel=0.01)
    assert found.mean_power_mw == pytest.approx(300_000, rel=0.01)
    assert found.flags == ()


def test_a_counter_that_disagrees_with_power_is_flagged():
    clock = HandClock()

    assert checked(clock, TickingMeter(clock, power_mw=100_000), 20).flags == ("power-disagrees",)


def test_a_counter_that_does_not_move_has_no_tick_and_is_flagged():
    clock = HandClock()
    found = checked(clock, FakeMeter(clock, power_mw=100_000))

    assert found.tick_us is None
    assert found.flags == ("counter-stuck",)


class StumblingMeter(TickingMeter):
    """A counter that stands still from the 3rd second to the 5th, and then has it all."""

    def read(self):
        reading = super().read()
        second = self._clock.boottime_ns() // 10**9 - 1000
        return replace(reading, energy_mj=(1000 * 10 + 29) * 30_000) if 3 <= second < 5 else reading


def test_a_counter_that_stands_still_for_a_second_in_between_is_flagged():
    clock = HandClock()

    assert checked(clock, StumblingMeter(clock), 8).flags == ("counter-stuck",)
    assert checked(clock, TickingMeter(clock), 8).flags == ()


def test_a_bmc_renews_its_figures_when_it_likes():
    clock = HandClock()
    meter = StumblingMeter(clock)
    meter.scope = "node"

    assert checked(clock, meter, 8).flags == ()


def test_a_meter_that_breaks_meanwhile_is_an_error_and_no_figure():
    clock = HandClock()
    meter = FakeMeter(clock)
    meter.broken = True

    with pytest.raises(ReadingFailedError):
        checked(clock, meter)
