"""A BMC over Redfish on loopback, with a certificate of its own making, and with what BMCs do: hang, forget, refuse."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

METRICS = "/redfish/v1/Chassis/1/EnvironmentMetrics"
POWER = "/redfish/v1/Chassis/1/Power"


@dataclass
class Bmc:
    """``documents`` by path; ``steps`` of misbehaviour: hang, drip, noise, huge, or a status."""

    documents: dict[str, Any] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    login: tuple[str, str] | None = None
    tokens: set[str] = field(default_factory=set)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    fingerprint: str = ""
    certificate: Path | None = None

    def allows(self, headers: dict[str, str]) -> bool:
        if self.login is None:
            return True
        basic = "Basic " + base64.b64encode(":".join(self.login).encode()).decode()
        return headers.get("authorization") == basic or headers.get("x-auth-token") in self.tokens


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bmc: Bmc

    def do_GET(self) -> None:
        headers = self._noted()
        step = self.bmc.steps.pop(0) if self.bmc.steps else ""
        if step == "hang":
            self.bmc.released.wait(30)
            self.close_connection = True
        elif step == "noise":
            self.wfile.write(b"\x00\xff no http\r\n\r\n")
            self.close_connection = True
        elif step == "huge":
            self._answer(200, b" " * (2 * 1024 * 1024))
        elif step:
            self._answer(int(step), b"{}")
        elif not self.bmc.allows(headers):
            self._answer(401, b"{}")
        elif self.path in self.bmc.documents:
            document = self.bmc.documents[self.path]
            self._answer(200, document if isinstance(document, bytes) else json.dumps(document).encode())
        else:
            self._answer(404, b"{}")

    def do_POST(self) -> None:
        self._noted()
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.bmc.login != (asked["UserName"], asked["Password"]):
            self._answer(401, b"{}")
            return
        token = f"token-{len(self.bmc.requests)}"
        self.bmc.tokens.add(token)
        location = f"/redfish/v1/SessionService/Sessions/{token}"
        self._answer(201, b"{}", {"X-Auth-Token": token, "Location": location})

    def do_DELETE(self) -> None:
        self._noted()
        self.bmc.tokens.discard(self.path.rpartition("/")[2])
        self._answer(204, b"")

    def _noted(self) -> dict[str, str]:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.bmc.requests.append((self.command, self.path, headers))
        return headers

    def _answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that trusts no certificate breaks off


@contextmanager
def serving(folder: Path, **options: Any) -> Iterator[Bmc]:
    """Serve a BMC over TLS on loopback; key and certificate go into ``folder``."""
    bmc = Bmc(**options)
    pem, der = _certificate()
    bmc.certificate = folder / "bmc.pem"
    bmc.certificate.write_bytes(pem)
    bmc.fingerprint = hashlib.sha256(der).hexdigest()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"bmc": bmc}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bmc.certificate)
    # Not at once: a client that says nothing would hold up all others.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    bmc.url = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield bmc
    finally:
        bmc.released.set()
        server.shutdown()
        server.server_close()


def _certificate() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bmc")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM), certificate.public_bytes(
        serialization.Encoding.DER
    )
