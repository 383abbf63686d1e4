"""Periods of UTC, and the slots that they are cut into."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.reports.periods import GRANULARITIES, MAX_SLOTS, Period, read_period, slots
from schemas import times
from schemas.errors import MalformedValueError

HOUR_US = 3_600_000_000


def shown(period):
    return tuple(times.render_claim(times.from_microseconds(moment)) for moment in period)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2026-Q4", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2026-Q1", "2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z"),
        ("2026-02", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
        ("2026-12", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2028-02-29", "2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z"),
    ],
)
def test_a_year_quarter_month_or_day_is_read(text, start, end):
    assert shown(read_period(text)) == (start, end)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "26",
        "1999",
        "2026-13",
        "2026-00",
        "2026-02-29",
        "2026-Q5",
        "2026-Q0",
        "2026-10-",
        "2026-W07",
        "٢٠٢٦",
        "2026\n",
    ],
)
def test_any_other_spelling_is_refused(text):
    with pytest.raises(MalformedValueError, match="2026-10"):
        read_period(text)


@given(st.integers(0, 4 * 10**15), st.integers(1, 40 * 24 * HOUR_US), st.sampled_from(GRANULARITIES))
def test_slots_are_the_period_without_a_hole_and_cut_at_edges_alone(start_us, length_us, granularity):
    period = Period(start_us, start_us + length_us)
    found = slots(period, granularity)
    assert (found[0].start_us, found[-1].end_us) == period
    assert all(first.end_us == second.start_us for first, second in pairwise(found))
    for slot in found[1:]:
        begun = times.from_microseconds(slot.start_us)
        assert (begun.minute, begun.second, begun.microsecond) == (0, 0, 0)
        assert granularity == "hour" or begun.hour == 0
        assert granularity != "month" or begun.day == 1


def test_a_period_that_ends_before_it_begins_is_refused():
    with pytest.raises(MalformedValueError, match="ends before"):
        slots(Period(5, 5), "hour")


def test_a_year_has_few_enough_hours_and_a_decade_has_not():
    assert len(slots(read_period("2028"), "hour")) == 366 * 24 <= MAX_SLOTS
    decade = Period(0, times.to_microseconds(datetime(1980, 1, 1, tzinfo=UTC)))
    with pytest.raises(MalformedValueError, match="ask for a shorter period"):
        slots(decade, "hour")
