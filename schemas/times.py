"""Times on the wire: UTC with ``Z``; whole seconds in the envelope, microseconds in claims (FORMATS.md "Values")."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from schemas.errors import MalformedValueError

_ENVELOPE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)
_CLAIM = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{0,5}[1-9]))?Z", re.ASCII)


def parse_seconds(text: str) -> datetime:
    """Return the time of ``YYYY-MM-DDThh:mm:ssZ`` (issuanceDate, created, …). Raises MalformedValueError."""
    if not _ENVELOPE.fullmatch(text):
        raise MalformedValueError(f'{text[:40]!r} is not a time in whole seconds such as "2026-11-20T20:00:11Z"')
    return _read(text[:-1], 0, text)


def parse_claim(text: str) -> datetime:
    """Return the time of a claim: at most 6 decimals, no trailing zero. Raises MalformedValueError."""
    match = _CLAIM.fullmatch(text)
    if match is None:
        raise MalformedValueError(f'{text[:40]!r} is not a UTC time such as "2026-11-20T20:00:03.9125Z"')
    fraction = match[2] or ""
    return _read(match[1], int(fraction.ljust(6, "0")) if fraction else 0, text)


def _read(text: str, microseconds: int, shown: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(microsecond=microseconds, tzinfo=UTC)
    except ValueError as error:
        raise MalformedValueError(f"{shown[:40]!r} is not a date of the calendar") from error


def render_seconds(moment: datetime) -> str:
    """Return ``moment`` rounded down to the whole second."""
    return f"{_four_digit_year(moment)}Z"


def render_claim(moment: datetime) -> str:
    """Return ``moment`` with its microseconds, trailing zeros left out."""
    fraction = f"{moment.microsecond:06d}".rstrip("0")
    return _four_digit_year(moment) + (f".{fraction}Z" if fraction else "Z")


def _four_digit_year(moment: datetime) -> str:
    # Not strftime, whose %Y leaves out the zeros before a year such as 0999 on some systems.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")


def round_up(moment: datetime) -> datetime:
    """Return ``moment`` rounded up to the whole second: the earliest issuanceDate of a period's end."""
    floor = moment.replace(microsecond=0)
    return floor if floor == moment else floor + timedelta(seconds=1)


def from_microseconds(microseconds: int) -> datetime:
    """Return the UTC time of integer microseconds since 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def to_microseconds(moment: datetime) -> int:
    """Return integer microseconds since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
