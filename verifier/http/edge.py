"""What is true of every request and every answer, routed or not (security.md requirement 14).

It stands outside the framework, which answers unknown paths and methods before its own middleware runs: there is no
path that gets around the caps and the security headers.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, cast

import structlog
from litestar.connection import ASGIConnection
from litestar.enums import HttpMethod, ScopeType
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from verifier.http import problems
from verifier.http.errors import BadRequestError, HeadersTooLargeError, RequestError, TargetTooLongError
from verifier.http.framing import SEND_TIMEOUT_S, why_ambiguous, why_no_path
from verifier.http.problems import Problem

MAX_TARGET_BYTES: Final = 8 * 1024

# For what a route does not say itself: an answer is never kept by accident.
_SECURITY: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Edge(ABC):
    """An ASGI application around ``app``: refuses what no client of ours sends, numbers requests and logs the refused.

    ``app`` is public: it has the routes.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_headers: int,
        max_header_bytes: int,
        headers: Mapping[str, str],
        log: str,
        send_timeout_s: float = SEND_TIMEOUT_S,
    ) -> None:
        """Take the caps, the headers of every answer besides the usual ones, and the name of the log.

        ``send_timeout_s``: how long a reader may stand still.
        """
        self.app = app
        self._max_headers = max_headers
        self._max_header_bytes = max_header_bytes
        self._headers = {**_SECURITY, **headers}
        self._log = structlog.get_logger(log)
        self._send_timeout_s = send_timeout_s

    @abstractmethod
    def admit(self, scope: HTTPScope) -> None:
        """Return if this service takes the request: its host, its sender. Raises RequestError."""

    @abstractmethod
    def problem(self, error: Exception, scope: HTTPScope, /) -> tuple[Problem, Mapping[str, str]]:
        """Return the problem document of any error, and the headers that it needs."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass the lifespan on. WebSockets are closed."""
        # A lifespan comes here too, which the type of Scope does not say.
        kind = cast("str", scope["type"])
        if kind == ScopeType.HTTP:
            await self._numbered(cast("HTTPScope", scope), receive, send)
        elif kind == ScopeType.WEBSOCKET:
            await send({"type": "websocket.close", "code": 1003, "reason": "no WebSockets here"})
        else:
            await self.app(scope, receive, send)

    async def _numbered(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Answer one request under an id of its own, and log it."""
        request_id = str(uuid.uuid4())
        # A dictionary of its own: servers may hand the same state to every request.
        scope["state"] = {**(scope.get("state") or {}), "request_id": request_id}
        method, started_s = scope["method"], time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            status = await self._answer(scope, receive, send, {**self._headers, "x-request-id": request_id})
            log, event = (
                (self._log.info, "request refused")
                if status >= HTTPStatus.BAD_REQUEST
                else (self._log.debug, "request answered")
            )
            duration_ms = round((time.monotonic() - started_s) * 1000, 1)
            log(event, method=method, path=shown(scope["path"]), status=status, duration_ms=duration_ms)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send, headers: Mapping[str, str]) -> int:
        """Answer one request, with ``headers`` where the route does not set them itself; return the status."""
        answer = _Answer(send, headers, self._send_timeout_s, bodiless=scope["method"] == HttpMethod.HEAD)
        if scope["method"] == HttpMethod.HEAD:
            # RFC 9110 §9.3.2: the same as GET but for the content, so no route has to know it.
            scope["method"] = HttpMethod.GET
        try:
            self._check(scope)
            self.admit(scope)
            await self.app(scope, receive, answer.send)
        except RequestError as error:
            await answer.refuse(*self.problem(error, scope))
        except Exception as error:
            if answer.stalled:
                self._log.info("the client stopped reading", path=shown(scope["path"]))
                raise
            self._log.exception("failed outside the routes", kind=type(error).__name__, path=shown(scope["path"]))
            if answer.status:
                # Half an answer must not look whole: the server cuts the connection.
                raise
            await answer.refuse(*self.problem(error, scope))
        return answer.status

    def _check(self, scope: HTTPScope) -> None:
        headers = list(scope["headers"])
        if len(headers) > self._max_headers:
            raise HeadersTooLargeError(f"at most {self._max_headers} headers are read")
        if sum(len(name) + len(value) for name, value in headers) > self._max_header_bytes:
            raise HeadersTooLargeError(f"at most {self._max_header_bytes} bytes of headers are read")
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_TARGET_BYTES:
            raise TargetTooLongError(f"at most {MAX_TARGET_BYTES} bytes of path and query are read")
        if malformed := why_ambiguous(headers) or why_no_path(scope["path"]):
            raise BadRequestError(malformed)


def values_of(scope: HTTPScope, header: bytes) -> list[str]:
    """Return the values of a header, which is named in lower case, in order."""
    return [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == header]


def shown(path: str) -> str:
    """Return a path for the log: in ASCII, so that none can write a line of its own into it or hide in it."""
    return ascii(path)[1:-1][:200]


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
    """One answer on its way out. ``status`` is 0 until it has started."""

    def __init__(self, send: Send, headers: Mapping[str, str], timeout_s: float, *, bodiless: bool) -> None:
        self._send = send
        self._headers = headers
        self._timeout_s = timeout_s
        self._bodiless = bodiless
        self.status = 0
        self.stalled = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = list(message.get("headers", []))
            names = {name.lower() for name, _ in given}
            message["headers"] = [*given, *(header for header in _encoded(self._headers) if header[0] not in names)]
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

    async def refuse(self, problem: Problem, headers: Mapping[str, str]) -> None:
        body = problems.render(problem)
        own = {"content-type": problems.PROBLEM_JSON, "content-length": str(len(body)), **headers}
        await self.send({"type": "http.response.start", "status": problem.status, "headers": _encoded(own)})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
