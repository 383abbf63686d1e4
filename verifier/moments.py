"""Times in the envelopes of strangers: XSD dateTime with a time zone (VC Data Model 1.1 §4.6, 2.0 §4.9)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from schemas.errors import MalformedValueError
from schemas.strict_json import Json

_DATE_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})", re.ASCII)


def read_moment(value: Json, member: str) -> datetime:
    """Return the UTC time of an XSD dateTime with a zone.

    Raises MalformedValueError, naming ``member``, for anything else: no zone, a leap second, a year of
    five digits, a day that the calendar does not have.
    """
    if not isinstance(value, str) or not _DATE_TIME.fullmatch(value):
        raise MalformedValueError(f"{member}: {ascii(value)[:40]} is not a time such as 2026-11-20T20:00:11Z")
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedValueError(f"{member}: {value[:40]} is not a time of the calendar") from error


def later(moment: datetime, seconds: int) -> datetime:
    """Return the time so many seconds after ``moment``, at most the last that a calendar has."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
