"""The period of a report, and the slots it is cut into: hours, days or months of UTC. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

from schemas import times
from schemas.errors import MalformedValueError

Granularity = Literal["hour", "day", "month", "whole"]
GRANULARITIES: Final[tuple[Granularity, ...]] = ("hour", "day", "month", "whole")

MAX_SLOTS: Final = 9_000
"""Of one report: a year in hours has 8,784."""

_LENGTH_US: Final = {"hour": 3_600_000_000, "day": 86_400_000_000}
_PERIOD: Final = re.compile(r"(2[0-9]{3})(?:-(?:Q([1-4])|(0[1-9]|1[0-2])(?:-([0-9]{2}))?))?", re.ASCII)
_MONTHS: Final = 12
_QUARTER: Final = 3


class Period(NamedTuple):
    """[start, end) in microseconds since 1970."""

    start_us: int
    end_us: int


def read_period(text: str) -> Period:
    """Return the year (``2026``), quarter (``2026-Q4``), month (``2026-10``) or day (``2026-10-21``) of UTC.

    Raises MalformedValueError.
    """
    found = _PERIOD.fullmatch(text)
    if found is None:
        raise _malformed(text)
    year, quarter, month, day = (None if part is None else int(part) for part in found.groups())
    if year is None:
        raise _malformed(text)
    if day is not None and month is not None:
        try:
            start_us = _us(datetime(year, month, day, tzinfo=UTC))
        except ValueError:
            raise _malformed(text) from None
        return Period(start_us, start_us + _LENGTH_US["day"])
    if month is not None:
        return Period(_month_us(year, month), _month_us(year, month + 1))
    first = 1 if quarter is None else (quarter - 1) * _QUARTER + 1
    return Period(_month_us(year, first), _month_us(year, first + (_MONTHS if quarter is None else _QUARTER)))


def slots(period: Period, granularity: Granularity) -> list[Period]:
    """Return the parts of a period, cut at the hours, days or months of UTC: each ends where the next one starts.

    Raises MalformedValueError where the period is empty, or has too many of them.
    """
    if period.end_us <= period.start_us:
        raise MalformedValueError("the period ends before it begins")
    # Counted while they are made: a period of a thousand years must not be laid out first.
    found: list[Period] = []
    for slot in _slots(period, granularity):
        if len(found) == MAX_SLOTS:
            raise MalformedValueError(
                f"granularity: the period has more than {MAX_SLOTS} slots of one {granularity}; ask for a shorter period"
            )
        found.append(slot)
    return found


def _slots(period: Period, granularity: Granularity) -> Iterator[Period]:
    start_us = period.start_us
    while start_us < period.end_us:
        end_us = min(_next_us(start_us, granularity, period.end_us), period.end_us)
        yield Period(start_us, end_us)
        start_us = end_us


def _next_us(start_us: int, granularity: Granularity, end_us: int) -> int:
    if granularity == "whole":
        return end_us
    if granularity == "month":
        start = times.from_microseconds(start_us)
        return _month_us(start.year, start.month + 1)
    length_us = _LENGTH_US[granularity]
    return start_us - start_us % length_us + length_us


def _month_us(year: int, month: int) -> int:
    """Return when a month begins; the thirteenth is the next year's first."""
    return _us(datetime(year + (month - 1) // _MONTHS, (month - 1) % _MONTHS + 1, 1, tzinfo=UTC))


def _us(moment: datetime) -> int:
    return times.to_microseconds(moment)


def _malformed(text: str) -> MalformedValueError:
    return MalformedValueError(
        f'{text[:40]!r} is no period: a year "2026", quarter "2026-Q4", month "2026-10" or day "2026-10-21" is required'
    )
