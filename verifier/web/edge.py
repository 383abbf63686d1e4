"""The edge of the verifier's service: any host unless some are set, and a rate for each client address."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.enums import HttpMethod
from litestar.types import ASGIApp, HTTPScope

from verifier.http import edge, problems
from verifier.http.client_address import ClientAddresses
from verifier.http.errors import BadRequestError
from verifier.http.framing import SEND_TIMEOUT_S
from verifier.http.limits import RateLimit, address_identity
from verifier.http.problems import Problem
from verifier.settings import Settings

MAX_HEADERS: Final = 64
MAX_HEADER_BYTES: Final = 16 * 1024

_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
}
# Fixed bytes, and what a load balancer asks for all the time.
_UNCOUNTED: Final = frozenset({"/", "/healthz", "/page.css", "/page.js"})

# RFC 9110 §7.2: a name or an address, and a port. Anything else is a way to confuse proxies.
_HOST: Final = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)

_WORDS: Final = problems.Words(
    malformed="BAD_REQUEST",
    refused="BAD_REQUEST",
    nothing_here="there is nothing at this path; / says what this service answers",
    failed_title="Internal error",
    failed_detail="The service failed; the operator's log says more.",
)
_RETRY_AFTER_S: Final = 5
_LOG: Final = "verifier"


class Edge(edge.Edge):
    """An ASGI application around ``app``: refuses what no client of ours sends, and who sends too much."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
        send_timeout_s: float = SEND_TIMEOUT_S,
    ) -> None:
        """Take the rate and the proxies of the settings, a clock in seconds, and how long a reader may stand still."""
        super().__init__(
            app,
            max_headers=MAX_HEADERS,
            max_header_bytes=MAX_HEADER_BYTES,
            headers=_HEADERS,
            log=_LOG,
            send_timeout_s=send_timeout_s,
        )
        self._hosts = frozenset(host.lower() for host in settings.hosts)
        self._clients = ClientAddresses(settings.trusted_proxies)
        rate = settings.rate_per_minute
        self._rate = RateLimit(rate, subject="address", monotonic_s=monotonic_s) if rate else None

    def admit(self, scope: HTTPScope) -> None:
        """Return if the host is one, and this one, and its client's address has requests left. Raises RequestError."""
        hosts = [host.lower() for host in edge.values_of(scope, b"host")]
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
            raise BadRequestError("the Host header is missing, doubled or not a host")
        if self._hosts and hosts[0] not in self._hosts:
            raise BadRequestError("the Host header names another service; the setting hosts lists those of this one")
        if self._rate is not None and not (scope["method"] == HttpMethod.GET and scope["path"] in _UNCOUNTED):
            peer = scope["client"][0] if scope["client"] else ""
            client = self._clients.of(peer, edge.values_of(scope, b"x-forwarded-for"))
            self._rate.take(address_identity(client))

    def problem(self, error: Exception, scope: HTTPScope, /) -> tuple[Problem, Mapping[str, str]]:
        """Return the problem document of any error, which names the request, and the headers that it needs."""
        return _problem(error, scope)


def to_response(request: Request[object, object, State], error: Exception) -> Response[bytes]:
    """Return the answer to any error that a route raised; what nobody expected is logged with its trace."""
    problem, headers = _problem(error, request.scope)
    if problem.status == 500:  # noqa: PLR2004
        structlog.get_logger(_LOG).error(
            "unexpected error", path=request.url.path, kind=type(error).__name__, exc_info=error
        )
    return problems.answer(problem, headers)


def _problem(error: Exception, scope: HTTPScope) -> tuple[Problem, Mapping[str, str]]:
    return problems.problem_of(error, _WORDS, problems.instance_of(scope)), problems.headers_of(
        error, retry_after_s=_RETRY_AFTER_S
    )
