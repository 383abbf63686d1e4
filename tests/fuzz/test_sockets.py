"""Malformed HTTP to the real servers: whatever comes in over the socket, the next client is answered."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.fakes.issuer import posted
from tests.fakes.issuer_server import Server, furnished
from tests.fakes.ports import free_port
from tests.fuzz.mutation import edited, random_edits
from tests.vectors import ROOT

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]

SEED = int(os.environ.get("FUZZ_SEED", "20261120"))
_MUTATED = 150
_QUIET_S = 0.5
_AT_ONCE = 16

_BY_HAND = (
    b"",
    b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /%ff%fe%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 300_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n folded: x\r\n\r\n",
    b"GET / HTTP/1.1\nHost: localhost\n\n",
    b"POST /credentials/verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"POST /credentials/verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    b"POST /api/v1/telemetry HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
    b"POST /api/v1/telemetry HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    b"POST /api/v1/telemetry HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    b"POST /credentials/verify HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    b"POST /credentials/verify HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST /credentials/verify HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AA==\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200,
)


def _whole(path, port):
    content = posted(inference_id="socket-1")
    head = f"POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def _send(port, raw):
    """Send bytes, say that there are no more, and read until the server is done or quiet."""
    received = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=_QUIET_S) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
        while chunk := connection.recv(65536):
            received += chunk
    return received


def _bombard(port, path):
    generator = random.Random(SEED)
    whole = [_whole(path, port), f"GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nAccept: */*\r\n\r\n".encode()]
    requests = [*_BY_HAND, *(edited(generator.choice(whole), random_edits(generator, 3)) for _ in range(_MUTATED))]
    with ThreadPoolExecutor(_AT_ONCE) as clients:
        answers = list(clients.map(lambda raw: _send(port, raw), requests))
    for request, answer in zip(requests, answers, strict=True):
        assert not answer.startswith((b"HTTP/1.1 500", b"HTTP/1.1 502")), (request[:500], answer[:500])
        assert b"Traceback" not in answer
    return answers


def _is_clean(log):
    assert "Traceback" not in log
    assert "panicked" not in log
    assert '"level":"error"' not in log.replace('": "', '":"')
    assert '"level":"critical"' not in log.replace('": "', '":"')


def test_the_issuer_survives_malformed_http(tmp_path):
    server = furnished(Server(tmp_path))
    server.start()
    try:
        answers = _bombard(server.port, "/api/v1/telemetry")
        assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}
    finally:
        server.stop()
    assert sum(answer.startswith(b"HTTP/1.1 4") for answer in answers) > _MUTATED / 4
    _is_clean(server.log())


def test_the_verifier_survives_malformed_http(tmp_path):
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-m", "verifier", "serve", "--port", str(port)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with (
        log.open("wb") as written,
        subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=written, stderr=written) as process,
    ):
        try:
            _wait_for(f"http://127.0.0.1:{port}/healthz", process)
            answers = _bombard(port, "/credentials/verify")
            assert httpx.get(f"http://127.0.0.1:{port}/healthz").json() == {"status": "ok"}
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
    assert sum(answer.startswith(b"HTTP/1.1 4") for answer in answers) > _MUTATED / 4
    _is_clean(log.read_text())


def _wait_for(url, process):
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError("the service did not start")
