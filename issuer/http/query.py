"""Parameters of path and query: what is not asked for, or asked for twice, is refused.

A misspelt filter that is ignored gives a report over the wrong data, so an unknown parameter is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from litestar import Request
from litestar.handlers import BaseRouteHandler

from issuer.http.errors import ParameterError
from schemas import times
from schemas.errors import FormatError
from schemas.lexical import Lexical

SLUG: Final = re.compile(r"[a-z0-9-]{1,63}", re.ASCII)
"""The slugs that can stand in a path; everything else is not found, ``..`` and U+FFFD included."""

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NOT_FROM_QUERY: Final = frozenset({"request", "state", "scope", "headers", "cookies", "query", "body", "socket"})


async def check_query(request: Request[Any, Any, Any]) -> None:
    """Before every handler: raise ParameterError for a query parameter that it does not know, or given twice."""
    counts: dict[str, int] = {}
    for name, _ in request.query_params.multi_items():
        counts[name] = counts.get(name, 0) + 1
    known = query_names(request.route_handler, request.path_params)
    for name, count in counts.items():
        if name not in known:
            allowed = ", ".join(sorted(known)) or "none"
            raise ParameterError(f"the query parameter {name[:40]!a} is not known here; known are: {allowed}")
        if count > 1:
            raise ParameterError(f"the query parameter {name!r} stands twice")


def query_names(handler: BaseRouteHandler, path_params: Mapping[str, object]) -> frozenset[str]:
    """Return the query parameters that a handler takes: its arguments, less those of the path."""
    names = handler.parsed_fn_signature.parameters.keys()
    return frozenset(names) - _NOT_FROM_QUERY - path_params.keys()


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
