"""Requests as a server hands them to an application, malformed ones too: no client that would put them right."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes


class Request(NamedTuple):
    """A request as bytes on the wire; the target is path, a question mark, and the query."""

    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    def shown(self) -> str:
        """Return the request so that it can be sent again from a failure's text."""
        return repr(tuple(self))[:20_000]


@dataclass
class Answer:
    """What an application answered."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = False
    seconds: float = 0.0

    def header(self, name: bytes) -> bytes:
        """Return a header's value, empty where it is absent."""
        return next((value for given, value in self.headers if given.lower() == name), b"")

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


async def ask(app: Any, request: Request, *, pieces: int = 1) -> Answer:
    """Return an application's answer, the body handed over in so many pieces. Raises what the application raises."""
    path, _, query = request.target.partition(b"?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "https",
        # As granian does it.
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers],
        "client": ("203.0.113.7", 40_000),
        "server": ("oracle.example", 443),
        "state": {},
        "extensions": {},
    }
    step = -(-len(request.body) // pieces) or 1
    chunks = [request.body[at : at + step] for at in range(0, len(request.body), step)] or [b""]
    events = [
        {"type": "http.request", "body": chunk, "more_body": index < len(chunks) - 1}
        for index, chunk in enumerate(chunks)
    ]
    answer = Answer()

    answered = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if events:
            return events.pop(0)
        # The client stays until it has its answer.
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert answer.status == 0, "two answers to one request"
            answer.status, answer.headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            answer.body += message.get("body", b"")
            answer.complete = not message.get("more_body", False)
            if answer.complete:
                answered.set()

    started_s = time.perf_counter()
    await app(scope, receive, send)
    answer.seconds = time.perf_counter() - started_s
    return answer


@contextlib.asynccontextmanager
async def running(app: Any) -> AsyncIterator[Any]:
    """Give an application that has started, and stop it at the end (ASGI lifespan)."""
    to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    lifespan = asyncio.create_task(app({"type": "lifespan", "state": {}}, to_app.get, from_app.put))
    await to_app.put({"type": "lifespan.startup"})
    started = await from_app.get()
    assert started["type"] == "lifespan.startup.complete", started
    try:
        yield app
    finally:
        await to_app.put({"type": "lifespan.shutdown"})
        await lifespan
