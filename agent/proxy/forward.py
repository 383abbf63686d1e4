"""From a request to the backend's answer, and what it used.

A stream is passed on piece by piece, with the inference id in its head and the figures in a comment just before its
end. Any other answer to work is held until it is whole, so that the figures stand in its head; one that is too long
for that is passed on in parts. The bytes of an answer are the backend's but for that comment.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import Final

import httpcore

from agent.measurement import UNCOUNTED, Counts
from agent.proxy.bodies import counts_of, model_of
from agent.proxy.events import EventStream
from agent.proxy.figures import TRAILERS, Figures, Unmeasured, begun_headers, comment, result_headers
from agent.proxy.headers import Headers, answer_headers, is_measured, request_headers, values
from agent.proxy.metering import REFUSED, Metering, Work
from agent.proxy.options import Options
from agent.proxy.refusals import BackendBrokeOffError, BackendError, BackendTimeoutError, BusyError, RefusalError
from agent.proxy.server import ClientGoneError, Exchange

_KEEPALIVE_S: Final = 3.0
"""Shorter than uvicorn's 5 s: a connection that the backend closes just now would cost a request."""

_log = logging.getLogger(__name__)


class Room:
    """How many bytes of bodies may be held at one time."""

    def __init__(self, most: int) -> None:
        """Begin with nothing held."""
        self._free = most

    @contextmanager
    def held(self) -> Iterator[_Held]:
        """Lend a place to hold bytes in; they are given back at the end of the block."""
        held = _Held(self)
        try:
            yield held
        finally:
            self._free += len(held.data)

    def take(self, size: int) -> bool:
        """Return whether ``size`` more bytes may be held."""
        if size > self._free:
            return False
        self._free -= size
        return True


class _Held:
    def __init__(self, room: Room) -> None:
        self.data = bytearray()
        self._room = room

    def add(self, piece: bytes) -> bool:
        """Hold one more piece, and return whether there was room."""
        if not self._room.take(len(piece)):
            return False
        self.data += piece
        return True


class Forwarder:
    """Answers each request by the backend's answer."""

    def __init__(self, options: Options, metering: Metering) -> None:
        """Prepare; connections to the backend are made when they are needed."""
        self._options = options
        self._metering = metering
        self._room = Room(options.max_held_bytes)
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=options.max_connections, keepalive_expiry=_KEEPALIVE_S, http1=True, http2=False
        )

    async def close(self) -> None:
        """Close the connections to the backend."""
        await self._pool.aclose()

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises RefusalError where no answer has begun."""
        if is_measured(exchange.method, exchange.target):
            with self._room.held() as body:
                await self._measured(exchange, body)
            return
        content = exchange.body() if exchange.has_body else None
        if content is None:
            await _nothing(exchange)
        async with self._asked(exchange, content, length=exchange.length, readable=False) as response:
            await self._pass_on(exchange, response)

    async def _measured(self, exchange: Exchange, body: _Held) -> None:
        async for piece in exchange.body():
            if not body.add(piece):
                raise BusyError("too many large requests at once; try again")
        content = bytes(body.data)
        work = await self._begin(exchange, content)
        try:
            async with self._asked(exchange, content, length=len(content), readable=True) as response:
                if _is_stream(response):
                    await self._pass_stream(exchange, response, work)
                else:
                    with self._room.held() as held:
                        await self._answer_whole(exchange, response, work, held)
        except BackendError:
            if isinstance(work, Work):
                work.forget()
            raise
        except (BackendTimeoutError, BackendBrokeOffError) as error:
            # It may have worked for all that time.
            await exchange.refuse(error, _known(work) + await _ended(work, UNCOUNTED))
        finally:
            if isinstance(work, Work):
                work.abandon()

    async def _begin(self, exchange: Exchange, content: bytes) -> Work | Unmeasured:
        tenant_id = None
        if self._options.tenant_header:
            named = values(exchange.headers, self._options.tenant_header.encode("ascii"))
            try:
                tenant_id = named[0].decode() if named else None
            except UnicodeDecodeError:
                return REFUSED
            if len(named) > 1:
                # Whose it is cannot be said, and another's it must not become.
                return REFUSED
        return await self._metering.begin(model_of(content) or self._options.model, tenant_id)

    @asynccontextmanager
    async def _asked(
        self, exchange: Exchange, content: bytes | AsyncIterator[bytes] | None, *, length: int | None, readable: bool
    ) -> AsyncIterator[httpcore.Response]:
        """Lend the backend's answer. Raises BackendError, BackendTimeoutError before an answer began, else as a break."""
        backend, options = self._options.backend, self._options
        headers = request_headers(exchange.headers, backend.authority, readable=readable)
        if content is not None and length is not None:
            headers.append((b"content-length", str(length).encode()))
        url = httpcore.URL(
            scheme=backend.scheme.encode(), host=backend.host.encode(), port=backend.port, target=exchange.target
        )
        waits = {
            "connect": options.connect_s,
            "read": options.silence_s,
            "write": options.silence_s,
            "pool": options.connect_s,
        }
        try:
            async with self._pool.stream(
                exchange.method, url, headers=headers, content=content, extensions={"timeout": waits}
            ) as response:
                yield response
        except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout) as error:
            raise BackendError(f"{backend.authority} cannot be reached: {error or type(error).__name__}") from error
        except httpcore.TimeoutException as error:
            _broken_if_begun(exchange, error)
            raise BackendTimeoutError(f"{backend.authority} said nothing for {options.silence_s:g} s") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            _broken_if_begun(exchange, error)
            raise BackendBrokeOffError(f"{backend.authority} broke off: {error or type(error).__name__}") from error

    async def _pass_on(self, exchange: Exchange, response: httpcore.Response) -> None:
        """Pass an answer on as it comes."""
        headers = answer_headers(response.headers, measured=False)
        await exchange.begin(response.status, headers + _length(response), _reason(response))
        async for piece in response.aiter_stream():
            await exchange.send(piece)
        await exchange.end()

    async def _answer_whole(
        self, exchange: Exchange, response: httpcore.Response, work: Work | Unmeasured, held: _Held
    ) -> None:
        """Answer with the figures in the head, or after the body where that is too long to be held."""
        headers = answer_headers(response.headers, measured=True)
        pieces = response.aiter_stream()
        async for piece in pieces:
            if len(held.data) + len(piece) > self._options.max_answer_bytes or not held.add(piece):
                await self._answer_in_parts(exchange, response, work, (bytes(held.data), piece), pieces)
                return
        body = bytes(held.data)
        counts = counts_of(body) if response.status == HTTPStatus.OK else UNCOUNTED
        known = headers + _known(work) + await _ended(work, counts)
        if response.status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
            await exchange.begin(response.status, known, _reason(response))
            await exchange.end()
        else:
            await exchange.answer(response.status, known, body, _reason(response))

    async def _answer_in_parts(
        self,
        exchange: Exchange,
        response: httpcore.Response,
        work: Work | Unmeasured,
        begun: tuple[bytes, bytes],
        pieces: AsyncIterator[bytes],
    ) -> None:
        await self._begin_parts(exchange, response, work)
        for piece in begun:
            await exchange.send(piece)
        async for piece in pieces:
            await exchange.send(piece)
        await _end_parts(exchange, await _result(work, UNCOUNTED))

    async def _pass_stream(self, exchange: Exchange, response: httpcore.Response, work: Work | Unmeasured) -> None:
        """Pass a stream on as it comes, and tell the figures just before its end."""
        await self._begin_parts(exchange, response, work)
        watched = EventStream()
        result: Figures | Unmeasured | None = None
        async for piece in response.aiter_stream():
            if result is not None:
                await exchange.send(piece)
                continue
            passed = watched.feed(piece)
            if passed.now:
                await exchange.send(passed.now)
            if passed.rest is not None:
                result = await _result(work, watched.counts)
                await exchange.send(comment(result) + passed.rest)
        if result is None:
            held, may_comment = watched.end()
            result = await _result(work, watched.counts)
            if tail := (comment(result) if may_comment else b"") + held:
                await exchange.send(tail)
        await _end_parts(exchange, result)

    async def _begin_parts(self, exchange: Exchange, response: httpcore.Response, work: Work | Unmeasured) -> None:
        trailer: Headers = [(b"Trailer", TRAILERS)] if exchange.wants_trailers else []
        away = result_headers(work) if isinstance(work, Unmeasured) else []
        headers = answer_headers(response.headers, measured=True)
        await exchange.begin(response.status, headers + _known(work) + away + trailer, _reason(response))


def _broken_if_begun(exchange: Exchange, error: Exception) -> None:
    """Raise ClientGoneError where an answer has begun: half of one must not look whole, so the connection ends."""
    if exchange.began:
        _log.warning("the backend broke off in the midst of its answer", extra={"reason": type(error).__name__})
        raise ClientGoneError("the backend broke off") from error


async def _nothing(exchange: Exchange) -> None:
    """Read the end of a request without a body."""
    async for _ in exchange.body():
        raise RefusalError("a body where none was announced")


async def _result(work: Work | Unmeasured, counts: Counts) -> Figures | Unmeasured:
    return await work.end(counts) if isinstance(work, Work) else work


async def _ended(work: Work | Unmeasured, counts: Counts) -> Headers:
    return result_headers(await _result(work, counts))


async def _end_parts(exchange: Exchange, result: Figures | Unmeasured) -> None:
    await exchange.end(result_headers(result) if exchange.wants_trailers else None)


def _known(work: Work | Unmeasured) -> Headers:
    return begun_headers(work.inference_id, simulated=work.simulated) if isinstance(work, Work) else []


def _is_stream(response: httpcore.Response) -> bool:
    kinds = values(response.headers, b"content-type")
    coded = values(response.headers, b"content-encoding")
    return len(kinds) == 1 and kinds[0].partition(b";")[0].strip().lower() == b"text/event-stream" and not coded


def _length(response: httpcore.Response) -> Headers:
    given = values(response.headers, b"content-length")
    return [(b"content-length", given[0])] if given and not values(response.headers, b"transfer-encoding") else []


def _reason(response: httpcore.Response) -> bytes:
    reason = response.extensions.get("reason_phrase", b"")
    return reason if isinstance(reason, bytes) else b""
