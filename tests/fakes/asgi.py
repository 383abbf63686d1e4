"""One request to an application as a server hands it over, whatever no client library would send."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any


async def whole() -> dict[str, Any]:
    """Receive a body that is empty and whole."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def exchange(
    app: Any, receive: Callable[[], Awaitable[dict[str, Any]]] = whole, **changes: Any
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Return (status, headers, body) of the answer to a request; ``changes`` are members of its scope."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/healthz",
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": ("192.0.2.1", 1234),
        "server": ("127.0.0.1", 8080),
        "state": {},
    } | changes
    await app({"raw_path": scope["path"].encode(), **scope}, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), body
