"""Times in strangers' envelopes."""

from datetime import UTC, datetime

import pytest

from schemas.errors import MalformedValueError
from verifier.moments import later, read_moment


@pytest.mark.parametrize(
    "text",
    ["2026-11-20T20:00:11Z", "2026-11-20T21:00:11+01:00", "2026-11-20T20:00:11.000Z", "2026-11-20T20:00:11.000000000Z"],
)
def test_a_time_with_a_zone_is_read(text):
    assert read_moment(text, "issuanceDate") == datetime(2026, 11, 20, 20, 0, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-20T20:00:11",
        "2026-11-20",
        "20261120T200011Z",
        "2026-W47-5T20:00:11Z",
        "2026-11-20T23:59:60Z",
        "2026-02-30T00:00:00Z",
        "12026-11-20T20:00:11Z",
        "0001-01-01T00:00:00+23:59",
        "２０２６-11-20T20:00:11Z",
        "yesterday",
        1763668811,
        None,
        ["2026-11-20T20:00:11Z"],
    ],
)
def test_anything_else_is_malformed_and_named(value):
    with pytest.raises(MalformedValueError, match="issuanceDate"):
        read_moment(value, "issuanceDate")


def test_a_later_time_is_at_most_the_last_of_the_calendar():
    assert later(datetime(2026, 11, 20, tzinfo=UTC), 60) == datetime(2026, 11, 20, 0, 1, tzinfo=UTC)
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert last <= later(last, 60) == datetime.max.replace(tzinfo=UTC)
