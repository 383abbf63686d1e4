"""An OpenAI-compatible backend on loopback that answers as it is told, byte for byte, and notes what came."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

USAGE = {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46}


@dataclass
class Asked:
    """One request as it came."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        return [value for given, value in self.headers if given.lower() == name]


Step = Callable[["Backend", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Backend:
    """Answers each request with the next step, the last one for ever."""

    steps: list[Step] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                asked = await _read(reader)
                self.asked.append(asked)
                self.arrived.set()
                step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
                answering = asyncio.ensure_future(step(self, writer))
                leaving = asyncio.ensure_future(reader.read(1))
                await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
                away = not answering.done()
                # A reader has one who waits: it must have gone before the next request is read.
                leaving.cancel()
                await asyncio.gather(leaving, return_exceptions=True)
                if away:
                    self.gone.set()
                    answering.cancel()
                    break
                if isinstance(answering.exception(), OSError):
                    self.gone.set()
                answering.result()
                if writer.is_closing():
                    break
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in head[1:] if line)]
    given = {name.lower(): value for name, value in headers}
    body = b""
    if "content-length" in given:
        body = await reader.readexactly(int(given["content-length"]))
    elif given.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    return Asked(head[0], headers, body)


def whole(body: bytes, *headers: str, status: str = "200 OK") -> Step:
    """Answer with one body."""

    async def step(_: Backend, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()

    return step


def completion(**changes: object) -> Step:
    """Answer as /v1/chat/completions does."""
    members = {"id": "x", "object": "chat.completion", "choices": [], "usage": USAGE} | changes
    return whole(json.dumps(members).encode(), "Content-Type: application/json", "X-Request-Id: b-1")


def raw(answer: bytes, *, close: bool = True) -> Step:
    """Answer with bytes as they are."""

    async def step(_: Backend, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        if close:
            writer.close()

    return step


def stream(*pieces: bytes, headers: str = "Content-Type: text/event-stream\r\n", broken: bool = False) -> Step:
    """Answer in chunks; between two of them wait for ``go_on`` where a piece is empty."""

    async def step(backend: Backend, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\n{headers}Transfer-Encoding: chunked\r\n\r\n".encode())
        for piece in pieces:
            if not piece:
                await backend.go_on.wait()
                backend.go_on.clear()
                continue
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
        if broken:
            writer.close()
        else:
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    return step


def silence() -> Step:
    """Answer nothing until ``go_on``."""

    async def step(backend: Backend, writer: asyncio.StreamWriter) -> None:
        await backend.go_on.wait()
        await completion()(backend, writer)

    return step


@asynccontextmanager
async def openai_backend(*steps: Step) -> AsyncIterator[Backend]:
    """Serve on loopback in the test's own loop."""
    backend = Backend(list(steps) or [completion()])
    server = await asyncio.start_server(backend.serve, "127.0.0.1", 0)
    backend.port = server.sockets[0].getsockname()[1]
    try:
        yield backend
    finally:
        server.close()
