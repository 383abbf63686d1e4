"""Hostile hosts: a server on loopback that answers with any bytes, names that resolve to anything, certificates."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import httpcore
import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from verifier.fetch import network

PUBLIC = "93.184.215.14"
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Names:
    """A Resolver over fixed answers, one list for each question and the last for all later ones."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = [list(answer) for answer in answers] or [[]]
        self.asked: list[tuple[str, int]] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append((host, port))
        if not answer:
            raise socket.gaierror(socket.EAI_NONAME, "no such host")
        return answer


class Silence(httpx.AsyncBaseTransport):
    """A transport whose hosts never answer. ``asked``, ``timeouts``: what it was asked for, and with which."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.timeouts: list[dict[str, float]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        self.timeouts.append(request.extensions["timeout"])
        raise httpx.ConnectError("no answer")


def response(body: bytes = b"{}", *headers: str, status: str = "200 OK", media_type: str = "application/json") -> bytes:
    """Return the bytes of an HTTP answer; without ``media_type`` it has none."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    lines += [f"Content-Type: {media_type}"] if media_type else []
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Host:
    """A server on loopback. ``answer``: bytes, or what writes them; ``requests``: the heads that came."""

    def __init__(self) -> None:
        self.answer: bytes | Answer = response()
        self.requests: list[bytes] = []
        self.port = 0
        self.closing = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            if callable(self.answer):
                await self.answer(writer)
            else:
                writer.write(self.answer)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def host(context: ssl.SSLContext | None = None) -> AsyncIterator[Host]:
    """Serve on a free port of loopback, by TLS with ``context``."""
    served = Host()
    server = await asyncio.start_server(served.handle, "127.0.0.1", 0, ssl=context)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        served.closing.set()
        server.close()
        await server.wait_closed()


class _Dial(httpcore.AnyIOBackend):
    """Connects to a port of this machine, whichever address was asked for."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[str] = []

    async def connect_tcp(self, host: str, port: int, *arguments: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        self.asked.append(host)
        return await super().connect_tcp("127.0.0.1", self.port, *arguments, **options)


def dialling(port: int, context: ssl.SSLContext | None = None) -> tuple[httpx.AsyncBaseTransport, _Dial]:
    """Return the verifier's own transport, TLS and all, whose connections end at a port of this machine."""
    dial = _Dial(port)
    return network(context, backend=dial), dial


class Authority:
    """A certificate authority of the test's own, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of a test")])
        self._certificate = _certificate(name, name, self._key, self._key, ca=True)
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def context(self, *hosts: str, days: tuple[int, int] = (-1, 1), self_signed: bool = False) -> ssl.SSLContext:
        """Return a server's context with a certificate for ``hosts``, valid from and until so many days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        issuer, issuer_key = (subject, key) if self_signed else (self._certificate.subject, self._key)
        certificate = _certificate(subject, issuer, key, issuer_key, hosts=hosts, days=days)
        plain = serialization.NoEncryption()
        file = self._folder / f"{certificate.serial_number}.pem"
        file.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    hosts: Sequence[str] = (),
    days: tuple[int, int] = (-1, 1),
    ca: bool = False,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([*map(_general_name, hosts)]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
