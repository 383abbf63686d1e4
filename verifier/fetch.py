"""The one egress client: everything a verifier ever fetches goes through here (security.md requirement 8).

A host name is resolved once, every address is judged, and the connection goes to a judged address, with the
name kept for TLS and Host; so a name that changes its address between check and connection gains nothing.
No redirects, no proxies from the environment, one deadline for the whole exchange, bounded bytes.
"""

from __future__ import annotations

import asyncio
import functools
import re
import socket
import ssl
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final, Protocol
from urllib.parse import urlsplit

import httpcore
import httpx

from schemas import times
from schemas.errors import GreenError, ParsingError
from verifier.addresses import Target, is_loopback, judge, target_of
from verifier.errors import FetchBlockedError, FetchFailedError, HostUnreachableError, ResourceLimitError
from verifier.evidence import Fetched, absent
from verifier.network import Network

TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 2.0
MAX_BYTES: Final = 2 * 1024 * 1024
MAX_ADDRESSES: Final = 4
"""Addresses of one host that are tried: its name server may list a thousand machines of other people."""

_RESOLVER_THREADS: Final = 32
_OK: Final = 200
_REDIRECTS: Final = range(300, 400)
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
MAX_PIECES: Final = 4096
"""Pieces of a body, each a chunk or a part of one: a body of single bytes would be all work."""
_PIECES_IN_A_TURN: Final = 32
_CHARSET: Final = re.compile(r';\s*charset\s*=\s*"?([^";]*)', re.IGNORECASE)


_DEVELOPMENT_HINT: Final = "; --development allows this machine, to try things out"


class Fetcher(Protocol):
    """Whoever can fetch a URL for a verification."""

    async def fetch(self, url: str, accept: Sequence[str]) -> Fetched:
        """Return the body of ``url`` in one of the media types ``accept``, or the record of why not.

        Never raises for what the other side does: a failed fetch is evidence of absence.
        """
        ...


Refusal = Callable[[int, Mapping[str, str], bytes], GreenError]
"""Makes an error of an answer that is none: its status, headers and body."""


class Resolver(Protocol):
    """Whoever turns a host name into numeric addresses."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Return all addresses of ``host``. Raises OSError if it has none."""
        ...


class SystemResolver:
    """The operating system's resolver, off the event loop.

    It has threads of its own. A lookup cannot be broken off, and a stranger's name server may let it hang for half
    a minute: in the event loop's usual threads, where documents are judged, a few such names would stop the service.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="resolver")

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of getaddrinfo, in its order and each once."""
        look_up = functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class EgressClient:
    """Fetches https URLs of the public network.

    ``development`` also allows this machine's loopback, by http, and no other private address; an https URL
    of a loopback host is then tried by http. ``timeout_s`` is for the whole exchange, name and body included;
    ``max_bytes`` for the body, inflated or not. ``transport`` takes the place of the network in tests.

    ``bearer`` is a secret that every request bears: such a client asks one host alone, whom its user named, and never
    what a document names. ``refusal`` makes the error of an answer with another status than 200, from the status, the
    headers and the body.
    """

    def __init__(
        self,
        *,
        development: bool = False,
        timeout_s: float = TIMEOUT_S,
        max_bytes: int = MAX_BYTES,
        resolver: Resolver | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        bearer: str | None = None,
        refusal: Refusal | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._development = development
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._max_pieces = max(MAX_PIECES, max_bytes // 512)
        self._resolver = resolver or SystemResolver()
        self._transport = transport
        self._credentials = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        self._refusal = refusal
        self._clock = clock

    async def fetch(self, url: str, accept: Sequence[str]) -> Fetched:
        """Return the body of ``url``, or the record of why there is none."""
        now = times.render_seconds(self._clock())
        try:
            return await self.get(url, accept)
        except GreenError as error:
            return absent(url, error, origin="network", retrieved_at=now)

    async def get(self, url: str, accept: Sequence[str]) -> Fetched:
        """Return the body of ``url``. Raises what fetch records: FetchError, MalformedTermError, ResourceLimitError."""
        now = times.render_seconds(self._clock())
        try:
            async with asyncio.timeout(self._timeout_s):
                asked, media_type, body = await self._exchange(url, accept)
        except TimeoutError as error:
            raise FetchFailedError(f"no whole answer within {self._timeout_s:g} s") from error
        return Fetched(url=asked, origin="network", retrieved_at=now, body=body, media_type=media_type)

    async def _exchange(self, url: str, accept: Sequence[str]) -> tuple[str, str, bytes]:
        """Return the URL that was really asked, the media type and the body."""
        target = target_of(url)
        if target.scheme != "https" and not self._development:
            hint = _DEVELOPMENT_HINT if _names_this_machine(target.host) else ""
            raise FetchBlockedError(f"{url[:60]!r} is not an https URL{hint}")
        addresses = await self._addresses(target)
        # Only development gets here with a loopback address, and such a host has no certificate.
        scheme = "http" if all(is_loopback(address) for address in addresses) else "https"
        if scheme == "https" and target.scheme != "https":
            raise FetchBlockedError("http is for this machine's loopback only")
        failure: Exception = FetchFailedError("the host has no address")
        async with self._transport or network(max_bytes=self._max_bytes) as transport:
            for address in addresses[:MAX_ADDRESSES]:
                try:
                    answer = await self._get(transport, scheme, target, address, accept)
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    failure = error
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    raise FetchFailedError(f"the exchange broke off: {type(error).__name__}") from error
                else:
                    # In development a loopback host was asked by http, and a report must not say otherwise.
                    return urlsplit(url)._replace(scheme=scheme).geturl(), *answer
        raise HostUnreachableError("no connection to the host, or its certificate does not hold") from failure

    async def _addresses(self, target: Target) -> Sequence[str]:
        """Return the addresses that may be contacted: one bad address condemns the host."""
        try:
            addresses = await self._resolver.resolve(target.host, _port(target, target.scheme))
        except (OSError, UnicodeError) as error:
            raise HostUnreachableError(f"the host name {target.host[:60]!r} does not resolve") from error
        if self._development and addresses and all(is_loopback(address) for address in addresses):
            return addresses
        for address in addresses:
            reason = judge(address)
            if reason is not None:
                hint = _DEVELOPMENT_HINT if is_loopback(address) else ""
                raise FetchBlockedError(f"{target.host[:60]!r} is at a forbidden address ({reason}){hint}")
        return addresses

    async def _get(
        self, transport: httpx.AsyncBaseTransport, scheme: str, target: Target, address: str, accept: Sequence[str]
    ) -> tuple[str, bytes]:
        """Return the media type and the body. One request and one answer, with none of what a client does about them.

        A client of httpx reads the place that a redirect names even if it is not to follow it, and raises on some.
        """
        literal = f"[{address}]" if ":" in address else address
        name = f"[{target.host}]" if ":" in target.host else target.host
        headers = {
            "Host": name if target.port is None else f"{name}:{target.port}",
            "Accept": ", ".join(accept),
            "Accept-Encoding": "identity",
            "User-Agent": "green-verifier",
            "Connection": "close",
            **self._credentials,
        }
        url = f"{scheme}://{literal}:{_port(target, scheme)}{target.path}"
        timeout = httpx.Timeout(self._timeout_s, connect=CONNECT_TIMEOUT_S)
        extensions = {"sni_hostname": target.host, "timeout": timeout.as_dict()}
        response = await transport.handle_async_request(
            httpx.Request("GET", url, headers=headers, extensions=extensions)
        )
        try:
            if response.status_code != _OK and self._refusal is not None:
                raise self._refusal(response.status_code, response.headers, await self._body(response))
            return _judge_head(response, accept), await self._body(response)
        finally:
            await response.aclose()

    async def _body(self, response: httpx.Response) -> bytes:
        """Return the body, inflated if it came deflated. Raises ResourceLimitError past the cap, in either form."""
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip"}:
            raise FetchFailedError("the answer is in a content encoding that was not asked for")
        inflate = zlib.decompressobj(_GZIP_WINDOW) if encoding == "gzip" else None
        body, received, pieces = bytearray(), 0, 0
        async for piece in response.aiter_raw():
            received, pieces = received + len(piece), pieces + 1
            if pieces > self._max_pieces:
                raise FetchFailedError(f"the answer comes in more than {self._max_pieces} pieces")
            if pieces % _PIECES_IN_A_TURN == 0:
                await asyncio.sleep(0)
            body += _inflated(inflate, piece, self._max_bytes + 1 - len(body)) if inflate else piece
            if max(received, len(body)) > self._max_bytes:
                raise ResourceLimitError(f"the answer has more than {self._max_bytes} bytes")
        if inflate is not None and not inflate.eof:
            raise FetchFailedError("the answer ends within its compressed stream")
        return bytes(body)


def _names_this_machine(host: str) -> bool:
    try:
        return is_loopback(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _port(target: Target, scheme: str) -> int:
    return target.port or (443 if scheme == "https" else 80)


def _inflated(inflate: zlib._Decompress, chunk: bytes, room: int) -> bytes:
    try:
        inflated = inflate.decompress(chunk, room)
    except zlib.error as error:
        raise FetchFailedError("the answer's compressed stream is damaged") from error
    # Some readers would go on with a second stream, others not; and zlib would keep all of it.
    if inflate.unused_data:
        raise FetchFailedError("something follows the answer's compressed stream")
    return inflated


def network(
    context: ssl.SSLContext | None = None,
    *,
    max_bytes: int = MAX_BYTES,
    backend: httpcore.AsyncNetworkBackend | None = None,
) -> Network:
    """Return a transport to the real network, for bodies of ``max_bytes``; ``context`` (tls_context) for https."""
    return Network(context or _tls(), max_bytes=max_bytes, backend=backend)


def tls_context() -> ssl.SSLContext:
    """Return how a host must show who it is: TLS 1.2 or newer, its name in a certificate by a public authority."""
    context = httpx.create_ssl_context(trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


# Reading all authorities takes some 20 ms, and each exchange has a client of its own.
_tls: Final = functools.cache(tls_context)


def _judge_head(response: httpx.Response, accept: Sequence[str]) -> str:
    """Return the media type. Raises FetchBlockedError for a redirect, FetchFailedError for what was not asked for."""
    if response.status_code in _REDIRECTS:
        raise FetchBlockedError("the host redirects, and redirects are not followed")
    if response.status_code != _OK:
        raise FetchFailedError(f"the host answered with status {response.status_code}")
    content_type: str = response.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in accept:
        raise FetchFailedError(f"the answer is {media_type[:60]!r}, not one of {', '.join(accept)}")
    if any(charset.strip().lower() != "utf-8" for charset in _CHARSET.findall(content_type)):
        raise ParsingError("the answer is not in UTF-8")
    return media_type
