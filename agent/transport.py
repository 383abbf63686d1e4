"""The one way out to the issuer: a POST over HTTP, its answer bounded in bytes and time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol
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


class Transport(Protocol):
    """Something that posts."""

    def post(self, path: str, body: bytes, *, timeout_s: float, headers: Mapping[str, str] = JSON) -> Answer:
        """Return the answer to ``body`` posted at ``path``, JSON unless ``headers`` say else. Raises NoAnswerError."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


class HttpTransport:
    """Posts to an issuer's base URL with httpx; redirects are answers, never followed with a record in hand."""

    def __init__(self, issuer: str) -> None:
        """Prepare a client; nothing is sent yet."""
        # Imported here: a machine that only measures needs no HTTP client, and starts faster.
        import httpx

        self._issuer = issuer
        self._failures = (httpx.HTTPError, httpx.InvalidURL)
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

    def post(self, path: str, body: bytes, *, timeout_s: float, headers: Mapping[str, str] = JSON) -> Answer:
        """Return the answer to ``body``, read within about ``timeout_s``. Raises NoAnswerError."""
        import httpx

        until_s = time.monotonic() + timeout_s
        timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S))
        request = self._client.build_request("POST", path, content=body, headers={**headers}, timeout=timeout)
        try:
            response = self._client.send(request, stream=True)
            try:
                return Answer(response.status_code, dict(response.headers), _read(response, until_s))
            finally:
                response.close()
        except self._failures as error:
            raise NoAnswerError(f"{type(error).__name__}: {error} ({self._issuer})") from error

    def close(self) -> None:
        """Close the connections."""
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
