import pytest

from agent.errors import MeasurementError
from agent.measurement import Stamp, Totals, close
from agent.span import Span, lost
from tests.fakes.agent import WALL, S

START = Stamp(100 * S, WALL)


def end_after(seconds, wall_step_s=0):
    return Stamp(START.boottime_ns + round(seconds * S), START.wall_ns + round((seconds + wall_step_s) * S))


def totals(*spans, method="counter"):
    total = Totals(method=method)
    for span in spans:
        total = total.plus(span)
    return {"GPU-a": total}


def counted(seconds, energy_mj, power_mj=None, utilization=None):
    return Span(
        "GPU-a",
        round(seconds * S),
        "counter",
        measured_mj=energy_mj,
        power_mj=power_mj,
        utilization_percent=utilization,
    )


def test_the_energy_is_the_sum_over_spans_and_devices():
    of_two = totals(counted(1, 300), counted(1, 500)) | {"GPU-b": Totals(method="counter").plus(counted(2, 10))}

    result = close(of_two, START, end_after(2))

    assert result.energy_mj == 810
    assert result.devices == ("GPU-a", "GPU-b")
    assert result.method == "counter"


def test_the_duration_is_by_boottime_whatever_the_wall_clock_did():
    result = close(totals(counted(5, 300)), START, end_after(5, wall_step_s=-3600))

    assert result.duration_us == 5_000_000
    assert result.end_wall_ns == START.wall_ns + (5 - 3600) * S
    assert result.end_wall_ns - result.start_wall_ns == 5 * S


def test_a_window_shorter_than_a_tick_is_flagged_as_noise():
    assert "shorter-than-tick" in close(totals(counted(0.02, 300)), START, end_after(0.02)).flags


def test_a_window_of_a_tick_is_not_flagged():
    assert not close(totals(counted(0.1, 300)), START, end_after(0.1)).flags


def test_what_is_missing_is_filled_in_at_the_mean_power_of_the_rest_and_lowers_the_grade():
    result = close(totals(counted(3, 3000), lost("GPU-a", S)), START, end_after(4))

    assert (result.measured_mj, result.estimated_mj) == (3000, 1000)
    assert result.method == "modelled"
    assert "reading-failed" in result.flags


def test_a_device_that_gave_nothing_at_all_gives_no_measurement():
    with pytest.raises(MeasurementError, match="GPU-a gave no reading"):
        close(totals(lost("GPU-a", 4 * S)), START, end_after(4))


def test_no_device_at_all_gives_no_measurement():
    with pytest.raises(MeasurementError):
        close({}, START, end_after(1))


def test_a_counter_that_stands_still_is_replaced_by_the_integral_of_power_and_flagged():
    result = close(totals(counted(2, 0, power_mj=600_000)), START, end_after(2))

    assert (result.measured_mj, result.estimated_mj) == (0, 600_000)
    assert result.method == "integrated"
    assert "counter-stuck" in result.flags


def test_a_counter_that_stands_still_without_power_gives_no_measurement():
    with pytest.raises(MeasurementError, match="did not move"):
        close(totals(counted(2, 0)), START, end_after(2))


def test_a_counter_may_stand_still_for_less_than_a_second():
    assert close(totals(counted(0.5, 0)), START, end_after(0.5)).energy_mj == 0


@pytest.mark.parametrize("power_mj", [880_000, 1_130_000])
def test_a_counter_that_is_more_than_a_tenth_off_the_power_is_flagged(power_mj):
    assert "power-disagrees" in close(totals(counted(10, 1_000_000, power_mj)), START, end_after(10)).flags


@pytest.mark.parametrize("power_mj", [910_000, 1_000_000, 1_110_000])
def test_a_counter_within_a_tenth_of_the_power_is_not_flagged(power_mj):
    assert not close(totals(counted(10, 1_000_000, power_mj)), START, end_after(10)).flags


def test_power_that_lags_by_a_second_says_nothing_about_a_short_window():
    assert not close(totals(counted(2, 1_000_000, 100_000)), START, end_after(2)).flags


def test_one_span_without_power_ends_the_comparison():
    assert not close(totals(counted(10, 1_000_000, 1), counted(1, 1)), START, end_after(11)).flags


def test_simulated_figures_are_modelled_and_marked():
    result = close(totals(counted(1, 5)), START, end_after(1), simulated=True)

    assert result.simulated
    assert result.method == "modelled"


def test_a_device_that_another_process_measures_too_gives_no_count_of_this_work():
    result = close(totals(counted(1, 5)), START, end_after(1), flags={"shared-device"})

    assert result.method == "modelled"
    assert "shared-device" in result.flags


def test_utilization_is_the_mean_weighted_by_time():
    result = close(totals(counted(3, 5, utilization=100), counted(1, 5, utilization=20)), START, end_after(4))

    assert result.utilization_percent == 80


def test_utilization_is_absent_where_nobody_tells_it():
    assert close(totals(counted(3, 5)), START, end_after(3)).utilization_percent is None


def test_a_measurement_that_was_credited_nothing_keeps_the_grade_of_its_meter():
    result = close(totals(), START, end_after(1))

    assert (result.energy_mj, result.method) == (0, "counter")
