"""The way to the real network, on which a host's answer is bounded before any parser sees it.

What HTTP leaves open costs work without being a body: interim answers without end, extensions of chunks, bytes that
come one by one. So what arrives on a connection is counted as it is read, with a turn for everybody else each time.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import httpcore
import httpx

from verifier.errors import FetchFailedError

MAX_HEAD_BYTES: Final = 32 * 1024
"""Bytes before the body: the head of the answer, and of interim ones."""
MAX_INTERIM: Final = 2
"""Interim answers (1xx), which nobody asked for."""
MAX_FRAMING_BYTES: Final = 128 * 1024
"""Bytes of a body that are not its own: the sizes of its chunks, and what was read beyond its end."""
MAX_READS: Final = 4096
"""Reads from a connection; each gives what has arrived, up to 64 KiB. For larger bodies, one for each 512 bytes."""

# As h11 has it: lines may end in a bare line feed.
_END_OF_HEAD: Final = re.compile(rb"\n\r?\n")
_INTERIM: Final = re.compile(rb"\s*HTTP/\d\.\d 1")


class Network(httpx.AsyncBaseTransport):
    """A transport of httpx over httpcore: HTTP/1.1, no proxy, no connection kept, every answer bounded.

    ``max_bytes`` is for a body, with its framing on top; ``context`` for https. ``backend`` opens connections.
    """

    def __init__(
        self, context: ssl.SSLContext, *, max_bytes: int, backend: httpcore.AsyncNetworkBackend | None = None
    ) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_keepalive_connections=0,
            network_backend=_Bounded(backend or httpcore.AnyIOBackend(), max_bytes),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer, its body still to be read. Raises the errors of httpx, and FetchFailedError past a bound."""
        url = request.url
        asked = httpcore.Request(
            request.method,
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            extensions=request.extensions,
        )
        try:
            answer = await self._pool.handle_async_request(asked)
        except _ERRORS as error:
            raise _translated(error) from error
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """The body of an answer as it comes, in pieces of up to 64 KiB."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._answer.aiter_stream():
                yield piece
        except _ERRORS as error:
            raise _translated(error) from error

    async def aclose(self) -> None:
        await self._answer.aclose()


_ERRORS: Final = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)


def _translated(error: Exception) -> httpx.HTTPError:
    kinds: dict[type[Exception], type[httpx.TransportError]] = {
        httpcore.ConnectError: httpx.ConnectError,
        httpcore.ConnectTimeout: httpx.ConnectTimeout,
        httpcore.TimeoutException: httpx.ReadTimeout,
        httpcore.ProtocolError: httpx.RemoteProtocolError,
    }
    found = next((theirs for ours, theirs in kinds.items() if isinstance(error, ours)), httpx.ReadError)
    return found(str(error))


class _Bounded(httpcore.AsyncNetworkBackend):
    """Connections of another backend, each with bounds on what it may receive."""

    def __init__(self, inner: httpcore.AsyncNetworkBackend, max_bytes: int) -> None:
        self._inner = inner
        self._max_bytes = max_bytes

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(stream, self._max_bytes)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that is read within bounds, encrypted or not: what is counted is what the parser would get."""

    def __init__(self, inner: httpcore.AsyncNetworkStream, max_bytes: int) -> None:
        self._inner = inner
        self._max_bytes = max_bytes
        self._left = max_bytes + MAX_FRAMING_BYTES
        self._reads_left = max(MAX_READS, max_bytes // 512)
        self._head: _Heads | None = _Heads()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's signature
        # What has arrived already is given without a pause, so one busy host would have the loop to itself.
        await asyncio.sleep(0)
        received = await self._inner.read(max_bytes, timeout)
        self._reads_left -= 1
        self._left -= len(received)
        if self._reads_left < 0 or self._left < 0:
            raise FetchFailedError("the answer has more bytes around its body, or comes in more pieces, than is read")
        if self._head is not None and self._head.ends_in(received):
            self._head = None
        return received

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's signature
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._inner.start_tls(ssl_context, server_hostname, timeout), self._max_bytes)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Heads:
    """The heads before a body: interim answers, of which a host may send any number, and the answer itself."""

    def __init__(self) -> None:
        self._unread = b""
        self._left = MAX_HEAD_BYTES
        self._interim_left = MAX_INTERIM

    def ends_in(self, received: bytes) -> bool:
        """Return whether the last head ends in these bytes. Raises FetchFailedError where they are too many."""
        self._unread += received
        while (end := _END_OF_HEAD.search(self._unread)) is not None:
            self._take(end.end())
            if not _INTERIM.match(self._unread):
                return True
            self._interim_left -= 1
            if self._interim_left < 0:
                raise FetchFailedError(f"the host sends more than {MAX_INTERIM} interim answers (1xx)")
            self._unread = self._unread[end.end() :]
        if len(self._unread) > self._left:
            self._take(len(self._unread))
        return False

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise FetchFailedError(f"the head of the answer has more than {MAX_HEAD_BYTES} bytes")
