"""A threaded HTTP server of loopback: an honest answer for each request, unless a trap is set for it."""

import contextlib
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.fakes.grid.traps import Answer, Trap


@dataclass(frozen=True)
class Request:
    path: str
    query: dict[str, str]
    headers: dict[str, str]


class GridServer:
    """``answer`` is the provider's own; ``asked`` holds what was asked for, in order.

    ``then(a, b)`` sets traps for the next requests, one each; ``always(a)`` for all that have none of their own.
    """

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self._traps: deque[Trap | None] = deque()
        self._always: Trap | None = None
        self._closing = threading.Event()
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Answer:
        raise NotImplementedError

    def then(self, *traps: Trap | None) -> Self:
        self._traps.extend(traps)
        return self

    def always(self, trap: Trap | None) -> Self:
        self._always = trap
        return self

    def __enter__(self) -> Self:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with contextlib.suppress(ConnectionError):
                    server._serve(self)

            def log_message(self, *_parts: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def port(self) -> int:
        return self._http.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        headers = {name.lower(): value for name, value in handler.headers.items()}
        request = Request(parts.path, query, headers)
        with self._lock:
            self.asked.append(request)
            trap = self._traps.popleft() if self._traps else self._always
        answer = self.answer(request)
        if trap is not None:
            answer = trap(answer)
        if answer.slow:
            self._closing.wait(30)
        handler.send_response(answer.status)
        handler.send_header("Content-Type", answer.content_type)
        handler.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)
        handler.close_connection = True
