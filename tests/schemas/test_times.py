from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import times
from schemas.errors import MalformedValueError

MOMENTS = st.datetimes(max_value=datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone

NEITHER = [
    "", "2026-11-20", "2026-11-20T20:00:11", "2026-11-20T20:00:11+00:00", "2026-11-20t20:00:11z", "2026-11-20 20:00:11Z",
    "2026-11-20T20:00:60Z", "2026-11-20T24:00:01Z", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "0000-01-01T00:00:00Z",
    "20261120T200011Z", "2026-11-20T20:00:11Z\n", " 2026-11-20T20:00:11Z", "２０26-11-20T20:00:11Z", "-2026-11-20T20:00:11Z",
    "12026-11-20T20:00:11Z", "2026-11-20T20:00Z",
]  # fmt: skip


@pytest.mark.parametrize("text", NEITHER)
def test_other_spellings_of_an_envelope_time_are_malformed(text):
    with pytest.raises(MalformedValueError):
        times.parse_seconds(text)


@pytest.mark.parametrize(
    "text",
    [
        *NEITHER,
        "2026-11-20T20:00:03.Z",
        "2026-11-20T20:00:03.50Z",
        "2026-11-20T20:00:03.0Z",
        "2026-11-20T20:00:03.1234567Z",
        "2026-11-20T20:00:03,5Z",
    ],
)
def test_other_spellings_of_a_claim_time_are_malformed(text):
    with pytest.raises(MalformedValueError):
        times.parse_claim(text)


def test_an_envelope_time_has_no_fraction():
    with pytest.raises(MalformedValueError, match="whole seconds"):
        times.parse_seconds("2026-11-20T20:00:11.5Z")


def test_a_leap_day_reads():
    assert times.parse_seconds("2028-02-29T00:00:00Z") == datetime(2028, 2, 29, tzinfo=UTC)


@given(MOMENTS)
def test_a_claim_time_reads_back_as_written(moment):
    assert times.parse_claim(times.render_claim(moment)) == moment


@given(MOMENTS)
def test_an_envelope_time_is_rounded_down(moment):
    assert times.parse_seconds(times.render_seconds(moment)) == moment.replace(microsecond=0)


def test_times_are_written_in_utc():
    moment = datetime(2026, 11, 20, 22, 0, 3, 912500, tzinfo=timezone(timedelta(hours=2)))
    assert times.render_claim(moment) == "2026-11-20T20:00:03.9125Z"
    assert times.render_seconds(moment) == "2026-11-20T20:00:03Z"


def test_rounding_up_keeps_whole_seconds_and_lifts_the_rest():
    whole = datetime(2026, 11, 20, 20, 0, 3, tzinfo=UTC)
    assert times.round_up(whole) == whole
    assert times.round_up(whole + timedelta(microseconds=1)) == whole + timedelta(seconds=1)


@given(MOMENTS)
def test_microseconds_since_1970_read_back(moment):
    assert times.from_microseconds(times.to_microseconds(moment)) == moment


def test_the_reference_record_gives_the_reference_time():
    assert times.render_claim(times.from_microseconds(1795204803912500)) == "2026-11-20T20:00:03.9125Z"
