"""Parameters of path and query, each by its lexical rule."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from schemas import times
from schemas.errors import FormatError
from schemas.lexical import Lexical
from verifier.http.errors import ParameterError

SLUG: Final = re.compile(r"[a-z0-9-]{1,63}", re.ASCII)
"""The slugs that can stand in a path; everything else is not found, ``..`` and U+FFFD included."""

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def checked(text: str, rule: Lexical, name: str) -> str:
    """Return ``text`` if it follows ``rule``. Raises ParameterError naming the parameter."""
    try:
        rule.check(text, name)
    except FormatError as error:
        raise ParameterError(error.detail) from error
    return text


def optional(text: str | None, rule: Lexical, name: str) -> str | None:
    """Return ``text`` if it is absent or follows ``rule``. Raises ParameterError naming the parameter."""
    return None if text is None else checked(text, rule, name)


def moment_us(text: str | None, name: str) -> int | None:
    """Return microseconds since 1970 of a date (its beginning, UTC) or a UTC time; None where absent.

    Raises ParameterError naming the parameter.
    """
    if text is None:
        return None
    try:
        moment = _date(text) if _DATE.fullmatch(text) else times.parse_claim(text)
    except (FormatError, ValueError) as error:
        raise ParameterError(
            f'{name}: a date such as "2026-11-20" or a UTC time such as "2026-11-20T20:00:03Z" is required'
        ) from error
    return times.to_microseconds(moment)


def _date(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
