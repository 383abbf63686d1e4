"""The outermost layer of the service: what is true of every request and every answer, routed or not.

It checks the Host header and the size of headers and target, gives each request an id, puts the security
headers on each answer, answers HEAD as GET without the body, and logs what was refused. It stands outside the framework because the framework
answers unknown paths and methods before its own middleware runs.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import urlsplit

import structlog
from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from issuer import problems
from issuer.http.errors import (
    AmbiguousBodyError,
    HeadersTooLargeError,
    HostRefusedError,
    RequestError,
    TargetRefusedError,
    TargetTooLongError,
)
from issuer.settings import Settings
from verifier.framing import SEND_TIMEOUT_S, why_ambiguous, why_no_path

_LOG = structlog.get_logger("issuer.http")

_MAX_TARGET_BYTES: Final = 8 * 1024
_DEFAULT_PORTS: Final = {"https": ":443", "http": ":80"}

_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
# For what a route does not say itself: data is never a page, and an answer is never kept by accident.
_UNLESS_SET: Final = (
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
_HSTS: Final = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


class Edge:
    """An ASGI application around ``app``. ``app`` is public, so that its routes can be enumerated."""

    def __init__(self, app: ASGIApp, settings: Settings, *, send_timeout_s: float = SEND_TIMEOUT_S) -> None:
        """Take the caps and the accepted hosts from the settings, and how long a reader may stand still, in seconds."""
        self.app = app
        self._send_timeout_s = send_timeout_s
        self._hosts = accepted_hosts(settings)
        self._header_max_bytes = settings.header_max_bytes
        self._header_max_count = settings.header_max_count
        self._headers = _ALWAYS + ((_HSTS,) if settings.public_url.startswith("https:") else ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass the lifespan on. WebSockets are refused."""
        # A lifespan comes here too, which the type of Scope does not say.
        kind = cast("str", scope["type"])
        if kind == ScopeType.HTTP:
            await self._answer(cast("HTTPScope", scope), receive, send)
        elif kind == ScopeType.WEBSOCKET:
            await send({"type": "websocket.close", "code": 1003, "reason": "no WebSockets here"})
        else:
            await self.app(scope, receive, send)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        request_id = str(uuid.uuid4())
        # A dictionary of its own: servers may hand the same state to every request.
        scope["state"] = {**(scope.get("state") or {}), "request_id": request_id}
        method = scope["method"]
        answer = _Answer(send, request_id, self._headers, self._send_timeout_s, bodiless=method == HttpMethod.HEAD)
        if method == HttpMethod.HEAD:
            # RFC 9110 §9.3.2: the same as GET but for the content, so no route has to know it.
            scope["method"] = HttpMethod.GET
        started_s = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                self._check(scope)
                await self.app(scope, receive, answer.send)
            except RequestError as error:
                await answer.refuse(error)
            except Exception as error:
                if answer.stalled:
                    _LOG.info("the client stopped reading", path=_shown(scope["path"]))
                    raise
                _LOG.exception("request failed outside the routes", path=_shown(scope["path"]))
                if answer.started:
                    # Half an answer must not look whole: the server cuts the connection.
                    raise
                await answer.refuse(error)
            _log(scope, method, answer.status, time.monotonic() - started_s)

    def _check(self, scope: HTTPScope) -> None:
        headers = list(scope["headers"])
        if len(headers) > self._header_max_count:
            raise HeadersTooLargeError(f"at most {self._header_max_count} headers are read")
        if sum(len(name) + len(value) for name, value in headers) > self._header_max_bytes:
            raise HeadersTooLargeError(f"at most {self._header_max_bytes} bytes of headers are read")
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > _MAX_TARGET_BYTES:
            raise TargetTooLongError(f"at most {_MAX_TARGET_BYTES} bytes of path and query are read")
        if ambiguous := why_ambiguous(headers):
            raise AmbiguousBodyError(ambiguous)
        if no_path := why_no_path(scope["path"]):
            raise TargetRefusedError(no_path)
        self._check_host([value for name, value in headers if name.lower() == b"host"])

    def _check_host(self, values: list[bytes]) -> None:
        if len(values) != 1 or values[0].decode("latin-1").lower() not in self._hosts:
            raise HostRefusedError(
                "the Host header is missing, doubled or names another service; use the public URL of this one"
            )


def accepted_hosts(settings: Settings) -> frozenset[str]:
    """Return the Host headers that are this service's: those of the settings, the default port written or not."""
    suffix = _DEFAULT_PORTS[urlsplit(settings.public_url).scheme]
    bare = {host.removesuffix(suffix) for host in settings.hosts}
    hosts = settings.hosts | bare | {host + suffix for host in bare if not _has_port(host)}
    if settings.development:
        port = urlsplit(settings.public_url).port
        loopback = ("localhost", "127.0.0.1", "[::1]")
        hosts |= {name if port is None else f"{name}:{port}" for name in loopback}
    return frozenset(hosts)


def _has_port(host: str) -> bool:
    return urlsplit("//" + host).port is not None


class _Answer:
    """One answer on its way out."""

    def __init__(
        self, send: Send, request_id: str, headers: Iterable[tuple[bytes, bytes]], timeout_s: float, *, bodiless: bool
    ) -> None:
        self._send = send
        self._timeout_s = timeout_s
        self.stalled = False
        self._request_id = request_id
        self._headers = headers
        self._bodiless = bodiless
        self.status = 0

    @property
    def started(self) -> bool:
        return self.status != 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = list(message.get("headers", []))
            names = {name.lower() for name, _ in given}
            message["headers"] = [
                *given,
                *self._headers,
                *((name, value) for name, value in _UNLESS_SET if name not in names),
                (b"x-request-id", self._request_id.encode("ascii")),
            ]
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
        problem = problems.problem_of(error, f"urn:uuid:{self._request_id}")
        body = problems.render(problem)
        headers: Mapping[str, str] = {
            "content-type": problems.MEDIA_TYPE,
            "content-length": str(len(body)),
            **problems.headers_of(error),
        }
        encoded = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": encoded})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})


def _log(scope: HTTPScope, method: str, status: int, seconds: float) -> None:
    facts: dict[str, Any] = {
        "method": method,
        "path": _shown(scope["path"]),
        "status": status,
        "duration_ms": round(seconds * 1000, 1),
    }
    if status >= HTTPStatus.BAD_REQUEST:
        _LOG.info("request refused", **facts)
    else:
        _LOG.debug("request answered", **facts)


def _shown(path: str) -> str:
    # ASCII, so that no path can write a line of its own into the log or hide in it.
    return ascii(path)[1:-1][:200]
