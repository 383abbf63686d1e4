from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.meters.protocol import Reading
from agent.span import Span, between, lost, split
from tests.fakes.agent import S


def reading(seconds, energy_mj=None, power_mw=None, epoch=0, **more):
    ns = round(seconds * S)
    return Reading("GPU-a", boottime_ns=ns, wall_ns=ns, energy_mj=energy_mj, power_mw=power_mw, epoch=epoch, **more)


def test_the_energy_of_a_span_is_the_difference_of_the_counters():
    span = between(reading(1, 1000), reading(3, 4500), "counter")

    assert (span.measured_mj, span.estimated_mj, span.duration_ns) == (3500, 0, 2 * S)
    assert span.method == "counter"
    assert not span.flags


def test_power_beside_a_counter_is_integrated_for_comparison_only():
    span = between(reading(0, 0, 100_000), reading(2, 150_000, 200_000), "counter")

    assert span.power_mj == 300_000
    assert span.measured_mj == 150_000


def test_a_counter_that_falls_is_a_reset_and_is_estimated_from_power():
    span = between(reading(0, 9_502_000, 100_000), reading(1, 0, 300_000), "counter")

    assert (span.measured_mj, span.estimated_mj, span.missing_ns) == (0, 200_000, 0)
    assert span.method == "integrated"
    assert span.flags == {"counter-reset"}


def test_a_reset_without_power_is_missing_and_no_silent_zero():
    span = between(reading(0, 9_502_000), reading(1, 17), "counter")

    assert (span.measured_mj, span.estimated_mj, span.missing_ns) == (0, 0, S)
    assert span.method == "modelled"
    assert span.flags == {"counter-reset"}


def test_another_epoch_is_a_reset_even_where_the_counter_is_higher():
    span = between(reading(0, 100), reading(1, 5000, epoch=1), "counter")

    assert span.measured_mj == 0
    assert span.flags == {"counter-reset"}


def test_a_counter_that_is_no_longer_supported_is_missing_and_not_zero():
    span = between(reading(0, 100), reading(1, None), "counter")

    assert span.missing_ns == S
    assert span.flags == {"reading-failed"}


def test_an_integral_tells_which_part_was_filled_in():
    span = between(reading(0, 0), reading(5, 1000, estimated_mj=800), "integrated")

    assert (span.measured_mj, span.estimated_mj) == (200, 800)
    assert span.flags == {"sampling-gap"}


def test_an_estimate_that_was_rounded_the_other_way_never_makes_the_measured_part_negative():
    span = between(reading(0, 10), reading(5, 20, estimated_mj=11), "integrated")

    assert (span.measured_mj, span.estimated_mj) == (0, 10)


def test_a_device_that_gave_no_reading_is_missing_for_the_whole_span():
    span = lost("GPU-a", 3 * S)

    assert (span.measured_mj, span.missing_ns) == (0, 3 * S)
    assert span.flags == {"reading-failed"}


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12) | st.none(), st.integers(1, 64))
def test_splitting_a_span_conserves_every_millijoule(measured_mj, estimated_mj, power_mj, count):
    span = Span("GPU-a", S, "counter", measured_mj=measured_mj, estimated_mj=estimated_mj, power_mj=power_mj)
    shares = split(span, count)

    assert sum(share.measured_mj for share in shares) == measured_mj
    assert sum(share.estimated_mj for share in shares) == estimated_mj
    assert power_mj is None or sum(share.power_mj or 0 for share in shares) == power_mj


def test_a_shared_span_is_graded_as_an_estimate_of_a_part():
    shares = split(Span("GPU-a", S, "counter", measured_mj=10), 2)

    assert {share.method for share in shares} == {"partition-estimate"}
    assert all("shared-in-process" in share.flags for share in shares)


def test_a_modelled_span_is_no_better_for_being_shared():
    assert split(Span("GPU-a", S, "modelled", measured_mj=10), 2)[0].method == "modelled"


def test_a_span_that_nobody_shares_stays_as_it_is():
    span = Span("GPU-a", S, "counter", measured_mj=10)

    assert split(span, 1) == [span]


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=40))
def test_no_sequence_of_counters_ever_gives_negative_energy(counters):
    readings = [reading(second, value) for second, value in enumerate(counters)]
    spans = [between(last, now, "counter") for last, now in pairwise(readings)]

    assert all(span.measured_mj >= 0 and span.estimated_mj >= 0 for span in spans)
    # Whatever did not rise is flagged, so no energy is dropped in silence.
    for span, last, now in zip(spans, readings, readings[1:], strict=False):
        assert (now.energy_mj < last.energy_mj) == ("counter-reset" in span.flags)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=40), st.integers(0, 40))
def test_reading_in_between_changes_no_total(rises, position):
    counters = [sum(rises[:index]) for index in range(len(rises) + 1)]
    readings = [reading(second, value) for second, value in enumerate(counters)]
    middle = readings[position % len(readings)]
    halves = between(readings[0], middle, "counter"), between(middle, readings[-1], "counter")

    assert sum(span.measured_mj for span in halves) == between(readings[0], readings[-1], "counter").measured_mj
