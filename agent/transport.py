"""The one way out to the issuer: a POST over HTTP, its answer bounded in bytes and time."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from agent.config import is_loopback
from agent.errors import NoAnswerError
from agent.retry import Answer
from agent.version import AGENT

if TYPE_CHECKING:
    import httpx

JSON: Final[Mapping[str, str]] = {"Content-Type": "application/json"}
MAX_ANSWER_BYTES: Final = 1024 * 1024
_CONNECT_TIMEOUT_S: Final = 10.0
_GRACE_S: Final = 0.25
"""After the timeout of each step, which says better what was slow, the whole exchange is broken off."""


class Transport(Protocol):
    """Something that posts."""

    def post(self, path: str, body: bytes, *, timeout_s: float, headers: Mapping[str, str] = JSON) -> Answer:
        """Return the answer to ``body`` posted at ``path``, JSON unless ``headers`` say else. Raises NoAnswerError."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


class HttpTransport:
    """Posts to an issuer's base URL with httpx; redirects are answers, never followed with a record in hand.

    httpx bounds each step, and the next byte is a step: an issuer that sends its headers one by one would hold the
    sender for ever. So each exchange has a thread of its own, and who asked waits so long and no longer.
    """

    def __init__(self, issuer: str) -> None:
        """Prepare a client; nothing is sent yet."""
        self._issuer = issuer
        self._client = _Client(issuer)
        # One exchange at a time, so that what is broken off is that exchange alone.
        self._turn = threading.Lock()

    def post(self, path: str, body: bytes, *, timeout_s: float, headers: Mapping[str, str] = JSON) -> Answer:
        """Return the answer to ``body``, whole within about ``timeout_s``. Raises NoAnswerError."""
        until_s = time.monotonic() + timeout_s
        if not self._turn.acquire(timeout=timeout_s):
            raise NoAnswerError(f"another exchange with the issuer did not end in time ({self._issuer})")
        try:
            exchange = _Exchange(self._client, path, body, headers, until_s)
            try:
                exchange.ended.wait(until_s + _GRACE_S - time.monotonic())
            finally:
                # Also where the wait itself is interrupted.
                if not exchange.ended.is_set():
                    self._client = _Client(self._issuer)
                    exchange.break_off()
        finally:
            self._turn.release()
        return exchange.result()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class _Client:
    """A client of httpx, and the sockets that it has opened."""

    def __init__(self, issuer: str) -> None:
        # Imported here: a machine that only measures needs no HTTP client, and starts faster.
        import httpx

        self.failures = (httpx.HTTPError, httpx.InvalidURL)
        self.issuer = issuer
        self._sockets: list[socket.socket] = []
        self._over = False
        self._client = httpx.Client(
            base_url=issuer,
            follow_redirects=False,
            # A proxy of the environment is for the world outside; it cannot reach this machine's loopback.
            trust_env=not is_loopback(urlsplit(issuer).hostname or ""),
            headers={
                "User-Agent": AGENT,
                "Accept": "application/ld+json, application/json, application/problem+json",
                # Not compressed, so that the bytes that come are the bytes that are counted.
                "Accept-Encoding": "identity",
            },
        )

    def send(self, path: str, body: bytes, headers: Mapping[str, str], until_s: float) -> Answer:
        """Return the answer. Raises NoAnswerError, and ``failures``."""
        import httpx

        timeout_s = max(0.001, until_s - time.monotonic())
        timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S))
        request = self._client.build_request(
            "POST", path, content=body, headers={**headers}, timeout=timeout, extensions={"trace": self._note}
        )
        response = self._client.send(request, stream=True)
        try:
            return Answer(response.status_code, dict(response.headers), _read(response, until_s))
        finally:
            response.close()

    def shut_down(self) -> None:
        """End what is read and written at this moment and later, from another thread.

        Sockets are not closed here: a read of TLS that goes on would then be of whatever file gets the number next.
        """
        self._over = True
        for opened in self._sockets:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _note(self, event: str, info: Mapping[str, Any]) -> None:
        # The encrypted one takes the place of the plain one, which is then detached.
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            opened = info["return_value"].get_extra_info("socket")
            self._sockets = [*(old for old in self._sockets if old.fileno() >= 0), opened]
            if self._over:
                # The name was long in being looked up; nobody waits for this any more.
                self.shut_down()


class _Exchange:
    """One request and its answer, in a thread of its own that nobody has to wait for."""

    def __init__(self, client: _Client, path: str, body: bytes, headers: Mapping[str, str], until_s: float) -> None:
        """Begin."""
        self.ended = threading.Event()
        self._answer: Answer | None = None
        self._error: Exception | None = None
        self._client = client
        self._given_up = threading.Event()
        self._what = (path, body, headers, until_s)
        threading.Thread(target=self._run, name="green-agent post", daemon=True).start()

    def result(self) -> Answer:
        """Return the answer that came in time. Raises NoAnswerError."""
        if self._answer is not None:
            return self._answer
        if self._given_up.is_set():
            # What was met after that is of our own making.
            raise NoAnswerError(f"the answer did not end in time ({self._client.issuer})")
        if isinstance(self._error, self._client.failures):
            raise NoAnswerError(f"{type(self._error).__name__}: {self._error} ({self._client.issuer})") from self._error
        raise self._error or NoAnswerError(f"the answer did not end in time ({self._client.issuer})")

    def break_off(self) -> None:
        """Let the thread end when it can; the client is of no more use."""
        self._given_up.set()
        self._client.shut_down()
        if self.ended.is_set():
            # It ended just now, and may have looked before.
            self._client.close()

    def _run(self) -> None:
        try:
            self._answer = self._client.send(*self._what)
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error
        finally:
            self.ended.set()
            if self._given_up.is_set():
                self._client.close()


def _read(response: httpx.Response, until_s: float) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise NoAnswerError("the answer is compressed, which was not asked for")
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise NoAnswerError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
        if time.monotonic() > until_s:
            raise NoAnswerError("the answer did not end in time")
    return bytes(body)
