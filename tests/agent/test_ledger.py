import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import MeasurementError
from agent.ledger import Ledger
from tests.fakes.agent import FakeMeter, FakeOccupancy, HandClock


class Bench:
    """A clock, a counter and a ledger; ``work`` lets time pass and energy be used."""

    def __init__(self, meters=1, **options):
        self.clock = HandClock()
        self.meters = [FakeMeter(self.clock, device=f"GPU-{index}", **options) for index in range(meters)]
        self.occupancy = FakeOccupancy()
        self.ledger = Ledger(self.meters, self.clock, self.occupancy)

    def work(self, seconds, energy_mj):
        self.clock.advance(seconds)
        for meter in self.meters:
            meter.energy_mj += energy_mj


@pytest.fixture
def bench():
    return Bench()


def test_a_measurement_gets_what_the_counter_counted_meanwhile(bench):
    bench.work(1, 111)
    entry = bench.ledger.start()
    bench.work(2, 500)
    result = bench.ledger.stop(entry)
    bench.work(1, 222)

    assert (result.energy_mj, result.duration_us, result.method) == (500, 2_000_000, "counter")


def test_several_devices_are_summed():
    bench = Bench(meters=3)
    entry = bench.ledger.start()
    bench.work(2, 500)

    assert bench.ledger.stop(entry).energy_mj == 1500


def test_the_energy_of_an_inner_measurement_is_not_the_outer_ones_too(bench):
    outer = bench.ledger.start()
    bench.work(1, 100)
    inner = bench.ledger.start(outer)
    bench.work(1, 1000)
    inner_result = bench.ledger.stop(inner)
    bench.work(1, 10)
    outer_result = bench.ledger.stop(outer)

    assert (inner_result.energy_mj, outer_result.energy_mj) == (1000, 110)
    assert outer_result.duration_us == 3_000_000
    assert outer_result.method == "counter"


def test_two_at_once_share_evenly_and_are_graded_as_an_estimate(bench):
    first = bench.ledger.start()
    bench.work(1, 100)
    second = bench.ledger.start()
    bench.work(1, 1001)
    first_result = bench.ledger.stop(first)
    bench.work(1, 7)
    second_result = bench.ledger.stop(second)

    assert (first_result.energy_mj, second_result.energy_mj) == (100 + 501, 500 + 7)
    assert {first_result.method, second_result.method} == {"partition-estimate"}
    assert "shared-in-process" in first_result.flags


def test_an_inner_measurement_may_outlive_the_outer_one(bench):
    outer = bench.ledger.start()
    inner = bench.ledger.start(outer)
    bench.work(1, 100)
    assert bench.ledger.stop(outer).energy_mj == 0
    bench.work(1, 10)

    assert bench.ledger.stop(inner).energy_mj == 110


def test_a_parent_that_has_ended_is_no_parent(bench):
    ended = bench.ledger.start()
    bench.work(1, 100)
    bench.ledger.stop(ended)
    entry = bench.ledger.start(ended)
    bench.work(1, 10)

    assert bench.ledger.stop(entry).energy_mj == 10


def test_a_fall_in_between_is_seen_by_a_sample(bench):
    entry = bench.ledger.start()
    bench.work(1, 100)
    bench.ledger.sample()
    bench.clock.advance(1)
    bench.meters[0].energy_mj = 3
    bench.ledger.sample()
    bench.work(2, 1_000_000)
    result = bench.ledger.stop(entry)

    assert result.measured_mj == 1_000_100
    assert result.estimated_mj == 1_000_100 // 3
    assert "counter-reset" in result.flags
    assert result.method == "modelled"


def test_one_failed_sample_costs_nothing_since_the_counter_goes_on(bench):
    entry = bench.ledger.start()
    bench.work(1, 100)
    bench.meters[0].broken = True
    bench.ledger.sample()
    bench.meters[0].broken = False
    bench.work(1, 100)
    result = bench.ledger.stop(entry)

    assert (result.measured_mj, result.estimated_mj) == (200, 0)
    assert not result.flags


def test_a_meter_that_fails_at_the_end_leaves_a_hole_that_is_filled_in_and_flagged(bench):
    entry = bench.ledger.start()
    bench.work(3, 300)
    bench.ledger.sample()
    bench.work(1, 100)
    bench.meters[0].broken = True
    result = bench.ledger.stop(entry)

    assert (result.measured_mj, result.estimated_mj) == (300, 100)
    assert result.method == "modelled"
    assert "reading-failed" in result.flags


def test_a_meter_that_fails_at_the_start_is_missing_until_it_is_back(bench):
    bench.meters[0].broken = True
    entry = bench.ledger.start()
    bench.work(1, 100)
    bench.meters[0].broken = False
    bench.ledger.sample()
    bench.work(1, 100)
    result = bench.ledger.stop(entry)

    assert (result.measured_mj, result.estimated_mj) == (100, 100)


def test_a_meter_that_never_answers_gives_no_measurement_and_the_ledger_goes_on(bench):
    bench.meters[0].broken = True
    entry = bench.ledger.start()
    bench.clock.advance(1)
    with pytest.raises(MeasurementError):
        bench.ledger.stop(entry)

    bench.meters[0].broken = False
    entry = bench.ledger.start()
    bench.work(1, 100)
    assert bench.ledger.stop(entry).energy_mj == 100


def test_cutting_gives_the_part_so_far_and_loses_nothing(bench):
    entry = bench.ledger.start()
    bench.work(5, 500)
    part = bench.ledger.cut(entry)
    bench.work(2, 20)
    rest = bench.ledger.stop(entry)

    assert (part.energy_mj, part.duration_us) == (500, 5_000_000)
    assert (rest.energy_mj, rest.duration_us) == (20, 2_000_000)
    assert part.end_wall_ns == rest.start_wall_ns


def test_what_is_used_while_nothing_runs_is_nobodys(bench):
    first = bench.ledger.start()
    bench.work(1, 100)
    bench.ledger.stop(first)
    bench.work(100, 9999)
    second = bench.ledger.start()
    bench.work(1, 10)

    assert bench.ledger.stop(second).energy_mj == 10


def test_devices_are_claimed_only_while_something_runs(bench):
    assert bench.occupancy.taken == 0
    first, second = bench.ledger.start(), bench.ledger.start()
    assert bench.occupancy.taken == 1
    bench.work(1, 100)
    bench.ledger.stop(first)
    assert bench.occupancy.taken == 1
    bench.ledger.stop(second)
    assert bench.occupancy.taken == 0


def test_a_device_that_another_process_measures_is_told_in_the_result():
    clock = HandClock()
    ledger = Ledger([FakeMeter(clock)], clock, FakeOccupancy(alone=False))
    entry = ledger.start()
    clock.advance(0.5)
    result = ledger.stop(entry)

    assert "shared-device" in result.flags
    assert result.method == "modelled"


def test_the_ledger_wants_samples_as_often_as_its_most_eager_meter():
    clock = HandClock()
    meters = [FakeMeter(clock), FakeMeter(clock, device="GPU-b", period_s=0.1)]

    assert Ledger(meters, clock).period_s == 0.1


STEPS = st.lists(
    st.tuples(st.sampled_from(["start", "nest", "stop", "cut", "sample"]), st.integers(0, 10_000), st.integers(0, 9)),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_the_sum_over_all_measurements_is_what_the_counter_counted_while_any_ran(steps):
    bench = Bench(meters=2, power_mw=1)
    running, total_mj, expected_mj = [], 0, 0
    for action, energy_mj, pick in steps:
        bench.work(0.01, energy_mj)
        expected_mj += 2 * energy_mj if running else 0
        if action == "start" or (action == "nest" and not running):
            running.append(bench.ledger.start())
        elif action == "nest":
            running.append(bench.ledger.start(running[pick % len(running)]))
        elif action == "sample":
            bench.ledger.sample()
        elif running and action == "cut":
            total_mj += bench.ledger.cut(running[pick % len(running)]).energy_mj
        elif running:
            total_mj += bench.ledger.stop(running.pop(pick % len(running))).energy_mj
    total_mj += sum(bench.ledger.stop(entry).energy_mj for entry in running)

    assert total_mj == expected_mj
