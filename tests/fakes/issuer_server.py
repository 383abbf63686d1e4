"""green-issuer serve in a process of its own, over loopback, with its commands beside it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime

import httpx
import pytest

from issuer.command import main
from schemas import times
from tests.fakes.issuer import body, node_signer, signed
from tests.vectors import ROOT

START_TIMEOUT_S = 60.0


class Server:
    """An issuer in a folder: its commands, and its service in a process."""

    def __init__(self, folder, **settings):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://localhost:{self.port}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "GREEN_ISSUER_DATA_DIR": str(folder / "data"),
            "GREEN_ISSUER_BODY_TIMEOUT_S": "1",
            **{f"GREEN_ISSUER_{name.upper()}": value for name, value in settings.items()},
        }
        self.folder = folder
        self.process = None

    def run(self, *words):
        """Run a command beside the service. Within this process: an interpreter takes longer than the command."""
        output = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(output):
            for name, value in self.environment.items():
                patch.setenv(name, value)
            assert main([*words, "--json"]) == 0
        return json.loads(output.getvalue())

    def start(self):
        command = [sys.executable, "-m", "issuer.cli", "serve", "--port", str(self.port)]
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(command, env=self.environment, cwd=self.folder, stdout=log, stderr=log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/healthz").status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(self.log())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def log(self):
        return (self.folder / "log").read_text()

    def raw(self, request, timeout_s=10.0):
        """Send bytes as they are and return what comes back until the connection closes or goes quiet."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as connection:
            connection.sendall(request)
            received = b""
            with contextlib.suppress(TimeoutError, ConnectionError):
                while chunk := connection.recv(65536):
                    received += chunk
        return received


def furnished(made):
    """Return the server with an issuer, the tenant acme and node-7."""
    made.run("init", "--public-url", made.url, "--development")
    made.run("tenants", "add", "acme", "--name", "Acme")
    key = made.folder / "node-7.jwk.json"
    key.write_text(json.dumps({**node_signer(7).public_key.jwk}))
    made.run("nodes", "add", "node-7", "--tenant", "acme", "--region", "DEU", "--tdp-w", "5600", "--key", str(key))
    return made


def fresh_record(inference_id):
    """Return a record of node-7 that ends now, signed."""
    return signed(body(inference_id=inference_id, timestamp=times.render_claim(datetime.now(UTC))), node_signer(7))


def post(server, content, **headers):
    """Post a record."""
    return httpx.post(
        f"{server.url}/api/v1/telemetry", content=content, headers={"content-type": "application/json"} | headers
    )
