"""What every request meets before a route, and every answer on its way out (security.md requirement 14)."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Final, TypeAlias

from litestar import Request
from litestar.datastructures import MutableScopeHeaders, State
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from schemas.errors import ResourceLimitError, problem_type
from verifier.problems import PROBLEM_JSON, TooSlowError, UnsupportedMediaTypeError

AnyRequest: TypeAlias = Request[object, object, State]

MAX_HEADERS: Final = 64
MAX_HEADER_BYTES: Final = 16 * 1024
JSON_TYPES: Final = frozenset({"application/json", "application/ld+json"})

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

# RFC 9110 §7.2: a name or an address, and a port. Anything else is a way to confuse proxies.
_HOST = re.compile(rb"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


class Edge:
    """ASGI middleware: refuses what no client of ours sends, before anything reads it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 400 (Host) or 431 (headers)."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        headers = list(scope["headers"])
        size = sum(len(name) + len(value) for name, value in headers)
        hosts = [value for name, value in headers if name == b"host"]
        if len(headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
            await _refuse(send, 431, "RESOURCE_LIMIT", "The request has too many or too long headers.")
        elif len(hosts) > 1 or not all(_HOST.fullmatch(host) for host in hosts):
            await _refuse(send, 400, "BAD_REQUEST", "The Host header is not a host.")
        else:
            await self._app(scope, receive, send)


async def _refuse(send: Send, status: int, name: str, detail: str) -> None:
    content = {"type": problem_type(name), "title": "Refused at the edge", "status": status, "detail": detail}
    headers = [(b"content-type", PROBLEM_JSON.encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(content).encode(), "more_body": False})


async def add_security_headers(message: Message, _: Scope) -> None:
    """Add the security headers to every answer, errors too; a before_send hook."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)


async def read_json_body(request: AnyRequest, *, max_bytes: int, deadline_s: float) -> bytes:
    """Return the body's bytes, at most ``max_bytes``, declared as JSON and arrived within ``deadline_s``.

    Raises UnsupportedMediaTypeError (a plain text body would pass browsers' checks unasked),
    ResourceLimitError, TooSlowError.
    """
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if media_type.strip().lower() not in JSON_TYPES or charset not in {"", "charset=utf-8"}:
        raise UnsupportedMediaTypeError("the content type must be application/json (or application/ld+json), in UTF-8")
    try:
        async with asyncio.timeout(deadline_s):
            return await _read(request, max_bytes)
    except TimeoutError as error:
        raise TooSlowError(f"the body did not arrive within {deadline_s:g} s") from error


async def _read(request: AnyRequest, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise ResourceLimitError(f"the body has more than {max_bytes} bytes")
    return bytes(body)
