"""What is true of every request and every answer, routed or not (security.md requirement 14).

It stands outside the framework, which answers unknown paths and methods before its own middleware runs: there is no
path that gets around the caps, the rate limit and the security headers.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

import structlog
from litestar.connection import ASGIConnection
from litestar.enums import HttpMethod, ScopeType
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from verifier import problems
from verifier.client_address import ClientAddresses
from verifier.framing import SEND_TIMEOUT_S, why_ambiguous, why_no_path
from verifier.limits import RateLimit, address_identity
from verifier.problems import (
    BadRequestError,
    HeadersTooLargeError,
    RateLimitedError,
    RequestError,
    TargetTooLongError,
)
from verifier.settings import Settings

MAX_HEADERS: Final = 64
MAX_HEADER_BYTES: Final = 16 * 1024
MAX_TARGET_BYTES: Final = 8 * 1024

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_SECURITY: Final = tuple((name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items())

# Fixed bytes, and what a load balancer asks for all the time.
_UNCOUNTED: Final = frozenset({"/", "/healthz", "/page.css", "/page.js"})

# RFC 9110 §7.2: a name or an address, and a port. Anything else is a way to confuse proxies.
_HOST = re.compile(rb"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")

_log = structlog.get_logger("verifier")


class Edge:
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
        self.app = app
        self._send_timeout_s = send_timeout_s
        self._hosts = frozenset(host.lower().encode() for host in settings.hosts)
        self._clients = ClientAddresses(settings.trusted_proxies)
        self._rate = RateLimit(settings.rate_per_minute, monotonic_s=monotonic_s) if settings.rate_per_minute else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass the lifespan on. WebSockets are closed."""
        # A lifespan comes here too, which the type of Scope does not say.
        kind = cast("str", scope["type"])
        if kind == ScopeType.HTTP:
            await self._answer(cast("HTTPScope", scope), receive, send)
        elif kind == ScopeType.WEBSOCKET:
            await send({"type": "websocket.close", "code": 1003, "reason": "no WebSockets here"})
        else:
            await self.app(scope, receive, send)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        answer = _Answer(send, self._send_timeout_s, bodiless=scope["method"] == HttpMethod.HEAD)
        if scope["method"] == HttpMethod.HEAD:
            # RFC 9110 §9.3.2: the same as GET but for the content, so no route has to know it.
            scope["method"] = HttpMethod.GET
        try:
            _check(scope)
            self._check_host(scope)
            self._count(scope)
            await self.app(scope, receive, answer.send)
        except RequestError as error:
            await answer.refuse(error)
        except Exception as error:
            if answer.stalled:
                _log.info("the client stopped reading")
                raise
            _log.exception("failed outside the routes", kind=type(error).__name__)
            if answer.started:
                # Half an answer must not look whole: the server cuts the connection.
                raise
            await answer.refuse(error)

    def _check_host(self, scope: HTTPScope) -> None:
        hosts = [value.lower() for name, value in scope["headers"] if name.lower() == b"host"]
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
            raise BadRequestError("the Host header is missing, doubled or not a host")
        if self._hosts and hosts[0] not in self._hosts:
            raise BadRequestError("the Host header names another service; the setting hosts lists those of this one")

    def _count(self, scope: HTTPScope) -> None:
        if self._rate is None or (scope["method"] == HttpMethod.GET and scope["path"] in _UNCOUNTED):
            return
        peer = scope["client"][0] if scope["client"] else ""
        forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"x-forwarded-for"]
        wait_s = self._rate.wait_s(address_identity(self._clients.of(peer, forwarded)))
        if wait_s:
            raise RateLimitedError(
                f"more than {self._rate.per_minute} requests a minute from this address; wait, then send again",
                retry_after_s=wait_s,
            )


def _check(scope: HTTPScope) -> None:
    headers = list(scope["headers"])
    if len(headers) > MAX_HEADERS:
        raise HeadersTooLargeError(f"at most {MAX_HEADERS} headers are read")
    if sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
        raise HeadersTooLargeError(f"at most {MAX_HEADER_BYTES} bytes of headers are read")
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_TARGET_BYTES:
        raise TargetTooLongError(f"at most {MAX_TARGET_BYTES} bytes of path and query are read")
    if ambiguous := why_ambiguous(headers):
        raise BadRequestError(ambiguous)
    if no_path := why_no_path(scope["path"]):
        raise BadRequestError(no_path)


def refuse_options(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard: raise MethodNotAllowedException for OPTIONS, which the framework would answer on every path.

    Only CORS preflights need it, and these never come here.
    """
    if HttpMethod.OPTIONS in getattr(handler, "http_methods", ()):
        path = connection.scope.get("path_template")
        routes = [route for route in connection.app.routes if isinstance(route, HTTPRoute)]
        methods = [method for route in routes if route.path_format == path for method in route.methods]
        raise MethodNotAllowedException(headers={"allow": ", ".join(methods)})


class _Answer:
    """One answer on its way out."""

    def __init__(self, send: Send, timeout_s: float, *, bodiless: bool) -> None:
        self._send = send
        self._timeout_s = timeout_s
        self._bodiless = bodiless
        self.started = False
        self.stalled = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            given = list(message.get("headers", []))
            names = {name.lower() for name, _ in given}
            message["headers"] = [*given, *(header for header in _SECURITY if header[0] not in names)]
        elif self._bodiless and message["type"] == "http.response.body":
            message["body"] = b""
        # An answer in parts waits for its reader, and gives up here. A whole one the server takes at once; the
        # connection is the server's in either case, and a proxy's to bound (docs/limits.md).
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._send(message)
        except TimeoutError:
            self.stalled = True
            raise

    async def refuse(self, error: Exception) -> None:
        problem = problems.problem_of(error)
        body = problems.render(problem)
        headers = {
            "Content-Type": problems.PROBLEM_JSON,
            "Content-Length": str(len(body)),
            **problems.headers_of(error),
        }
        await self.send({"type": "http.response.start", "status": problem.status, "headers": _encoded(headers.items())})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in headers]
