"""HTTP/1.1 on asyncio and h11: connections, their limits, and who goes away.

h11 frames requests and answers: what begins and ends where is its matter alone, and a request that says it in two ways
is refused. A client that goes away ends the handling of its request; one that sends or reads too slowly is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import h11

from agent.proxy.headers import Headers, comes_round, tokens, values
from agent.proxy.options import Options
from agent.proxy.refusals import (
    BadRequestError,
    BodyTooLargeError,
    FailedError,
    HeadTooLargeError,
    LoopError,
    RefusalError,
    TargetTooLongError,
    refusal_body,
)

_CHUNK: Final = 64 * 1024
_LINGER_S: Final = 1.0
_LINGER_BYTES: Final = 1024 * 1024

_log = logging.getLogger(__name__)


class ClientGoneError(Exception):
    """The client went away, or reads too slowly: there is nobody to answer."""


class Exchange:
    """One request and its answer."""

    def __init__(
        self,
        request: h11.Request,
        connection: h11.Connection,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        options: Options,
    ) -> None:
        """Take a request whose body was not read yet."""
        self.method = request.method
        self.target = request.target
        self.headers: Headers = list(request.headers)
        self.wants_trailers = request.http_version == b"1.1" and b"trailers" in tokens(self.headers, b"te")
        self.began = False
        self._connection = connection
        self._reader, self._writer = streams
        self._options = options
        self._whole = asyncio.Event()

    @property
    def length(self) -> int | None:
        """How many bytes the body has, None where the request does not say: there may be none."""
        given = values(self.headers, b"content-length")
        return int(given[0]) if given else None

    @property
    def has_body(self) -> bool:
        """Whether there is a body."""
        return self.length is not None or bool(values(self.headers, b"transfer-encoding"))

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body. Raises BodyTooLargeError, BadRequestError, ClientGoneError."""
        most, seen = self._options.max_body_bytes, 0
        if (self.length or 0) > most:
            raise BodyTooLargeError(f"a body has at most {most} bytes here")
        if self._connection.they_are_waiting_for_100_continue:
            await self._write(self._connection.send(h11.InformationalResponse(status_code=100, headers=[])))
        while True:
            try:
                event = self._connection.next_event()
            except h11.RemoteProtocolError as error:
                raise BadRequestError(f"the body is no HTTP/1.1: {error}") from error
            if event is h11.NEED_DATA:
                await self._receive(self._options.body_s)
            elif isinstance(event, h11.Data):
                seen += len(event.data)
                if seen > most:
                    raise BodyTooLargeError(f"a body has at most {most} bytes here")
                yield bytes(event.data)
            else:
                self._whole.set()
                return

    async def gone(self) -> None:
        """Return when the client has gone away. What it sends on meanwhile is kept for its next request."""
        await self._whole.wait()
        early = 0
        while early < _CHUNK:
            chunk = await self._reader.read(_CHUNK)
            if not chunk:
                return
            early += len(chunk)
            self._connection.receive_data(chunk)
        await asyncio.Event().wait()

    async def begin(self, status: int, headers: Headers, reason: bytes = b"") -> None:
        """Send the head of the answer. Without a length in ``headers``, the body comes in parts."""
        self.began = True
        await self._write(self._connection.send(h11.Response(status_code=status, headers=headers, reason=reason)))

    async def send(self, data: bytes) -> None:
        """Send a part of the body, and wait while the client does not read. Raises ClientGoneError."""
        await self._write(self._connection.send(h11.Data(data=data)))

    async def end(self, trailers: Headers | None = None) -> None:
        """End the answer. ``trailers`` only where it came in parts and the client wants them."""
        await self._write(self._connection.send(h11.EndOfMessage(headers=trailers or [])))

    async def answer(self, status: int, headers: Headers, body: bytes, reason: bytes = b"") -> None:
        """Send a whole answer."""
        await self.begin(status, [*headers, (b"content-length", str(len(body)).encode())], reason)
        if body:
            await self.send(body)
        await self.end()

    async def refuse(self, error: RefusalError, headers: Headers | None = None) -> None:
        """Answer with an error of ours, in the form of OpenAI's; the connection ends with it where its body is unread."""
        more: Headers = [] if self._connection.their_state is h11.DONE else [(b"connection", b"close")]
        kind: Headers = [(b"content-type", b"application/json")]
        await self.answer(error.status, [*kind, *(headers or []), *more], refusal_body(error))

    async def _receive(self, within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s):
                chunk = await self._reader.read(_CHUNK)
        except TimeoutError as error:
            raise ClientGoneError("the body came too slowly") from error
        except OSError as error:
            raise ClientGoneError(str(error)) from error
        if not chunk:
            raise ClientGoneError("the client went away in the midst of its body")
        self._connection.receive_data(chunk)

    async def _write(self, data: bytes | None) -> None:
        try:
            self._writer.write(data or b"")
            async with asyncio.timeout(self._options.send_s):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise ClientGoneError("the client reads too slowly, or went away") from error


Handler: TypeAlias = Callable[[Exchange], Coroutine[Any, Any, None]]


class Server:
    """Answers connections by a handler."""

    def __init__(self, handler: Handler, options: Options) -> None:
        """Prepare; ``serve`` is for asyncio.start_server."""
        self._handler = handler
        self._options = options
        self._clients: dict[asyncio.Task[None], _Client] = {}
        self._closing = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        task = asyncio.current_task()
        if task is None or self._closing or len(self._clients) >= self._options.max_connections:
            writer.transport.abort()
            return
        client = self._clients[task] = _Client(reader, writer, self._handler, self._options)
        try:
            await client.run()
        except (ClientGoneError, OSError):
            writer.transport.abort()
        except asyncio.CancelledError:
            # Only ``close`` cancels; asyncio's own callback would take it for a failure.
            writer.transport.abort()
        finally:
            del self._clients[task]
            writer.close()

    async def close(self, within_s: float) -> None:
        """Wait for what is being answered, at most so long, then end all."""
        self._closing = True
        idle = [task for task, client in self._clients.items() if not client.busy]
        busy = [task for task, client in self._clients.items() if client.busy]
        for client in self._clients.values():
            client.closing = True
        for task in idle:
            task.cancel()
        if busy:
            _, late = await asyncio.wait(busy, timeout=within_s)
            for task in late:
                task.cancel()
        await asyncio.gather(*idle, *busy, return_exceptions=True)


class _Client:
    """One connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler, options: Options
    ) -> None:
        self.busy = False
        self.closing = False
        self._reader, self._writer = reader, writer
        self._handler = handler
        self._options = options
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=options.max_head_bytes)

    async def run(self) -> None:
        """Answer its requests, one after the other."""
        while await self._one() and not self.closing:
            self._connection.start_next_cycle()
        await self._linger()

    async def _one(self) -> bool:
        """Answer one request; return whether another may follow."""
        try:
            request = await self._head()
        except h11.RemoteProtocolError as error:
            await self._exchange(h11.Request(method=b"GET", target=b"/", headers=[(b"host", b"-")])).refuse(
                BadRequestError(f"the request is no HTTP/1.1: {error}")
                if error.error_status_hint != HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                else HeadTooLargeError(f"a head has at most {self._options.max_head_bytes} bytes here")
            )
            return False
        if request is None:
            return False
        self.busy = True
        exchange = self._exchange(request)
        try:
            check(request, self._options)
            await self._handle(exchange)
        except RefusalError as error:
            if exchange.began:
                raise ClientGoneError("the request became another in its midst") from error
            await exchange.refuse(error)
        finally:
            self.busy = False
        return self._connection.our_state is h11.DONE and self._connection.their_state is h11.DONE

    def _exchange(self, request: h11.Request) -> Exchange:
        return Exchange(request, self._connection, (self._reader, self._writer), self._options)

    async def _head(self) -> h11.Request | None:
        """Return the next request, None where there is none in time."""
        try:
            async with asyncio.timeout(self._options.head_s):
                while (event := self._connection.next_event()) is h11.NEED_DATA:
                    self._connection.receive_data(await self._reader.read(_CHUNK))
        except TimeoutError:
            return None
        return event if isinstance(event, h11.Request) else None

    async def _handle(self, exchange: Exchange) -> None:
        """Handle a request until it is answered, or its client has gone."""
        handling = asyncio.ensure_future(self._handler(exchange))
        gone = asyncio.ensure_future(exchange.gone())
        try:
            await asyncio.wait({handling, gone}, return_when=asyncio.FIRST_COMPLETED)
            away = not handling.done()
        finally:
            handling.cancel()
            gone.cancel()
            await asyncio.gather(handling, gone, return_exceptions=True)
        if away or handling.cancelled():
            raise ClientGoneError("the client went away before its answer was whole")
        error = handling.exception()
        if error is None or isinstance(error, RefusalError | ClientGoneError):
            handling.result()
            return
        _log.error("a request failed", exc_info=error)
        if exchange.began:
            # Half an answer must not look whole.
            raise ClientGoneError("the answer broke off") from error
        await exchange.refuse(FailedError("the proxy failed; its log says why"))

    async def _linger(self) -> None:
        """Read a little of what still comes: a connection closed over unread bytes takes the answer with it."""
        with contextlib.suppress(OSError, TimeoutError, RuntimeError):
            self._writer.write_eof()
            async with asyncio.timeout(_LINGER_S):
                left = _LINGER_BYTES
                while left > 0 and (chunk := await self._reader.read(_CHUNK)):
                    left -= len(chunk)


def check(request: h11.Request, options: Options) -> None:
    """Raise RefusalError for a head that is too large, or that two readers may understand in two ways."""
    headers = list(request.headers)
    if len(headers) > options.max_headers:
        raise HeadTooLargeError(f"at most {options.max_headers} headers are read")
    # h11 bounds what is incomplete alone.
    if sum(len(name) + len(value) for name, value in headers) > options.max_head_bytes:
        raise HeadTooLargeError(f"a head has at most {options.max_head_bytes} bytes here")
    if len(request.target) > options.max_target_bytes:
        raise TargetTooLongError(f"at most {options.max_target_bytes} bytes of path and query are read")
    if not request.target.startswith(b"/"):
        raise BadRequestError("the target is a path such as /v1/chat/completions")
    coded = values(headers, b"transfer-encoding")
    # RFC 9112 §6.1: what stands between us may have read the other of the two.
    if coded and (values(headers, b"content-length") or request.http_version != b"1.1"):
        raise BadRequestError("Transfer-Encoding stands beside Content-Length, or in HTTP/1.0")
    if comes_round(headers):
        raise LoopError("the backend leads back to this proxy: see --backend")
