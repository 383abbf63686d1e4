"""Parameters of the query: one that a route does not know, or that stands twice, is refused.

A misspelt filter that is ignored gives a report over the wrong data, and a demand that is ignored a verdict that
does not meet it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from litestar import Request
from litestar.handlers import BaseRouteHandler

from verifier.http.errors import ParameterError, quoted

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
            raise ParameterError(f"query parameter {quoted(name)}: it is not known here; known are: {allowed}")
        if count > 1:
            raise ParameterError(f"query parameter {quoted(name)}: it stands twice")


def query_names(handler: BaseRouteHandler, path_params: Mapping[str, object]) -> frozenset[str]:
    """Return the query parameters that a handler takes: its arguments, less those of the path and what it is given."""
    names = handler.parsed_fn_signature.parameters.keys()
    return frozenset(names) - _NOT_FROM_QUERY - path_params.keys() - handler.resolve_dependencies().keys()
