"""What the proxy does and how far it goes: read once, from the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from agent.errors import SettingsError

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Backend:
    """Where the backend listens."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"http": 80, "https": 443}[self.scheme]
        return host if self.port == usual else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Options:
    """The proxy's options. Times in seconds, sizes in bytes.

    Attributes:
        tenant_header: lower-case name of the header that says whose a request is; empty: all are the node's tenant's.
        model: the model of requests that name none; empty: those are not measured.
        silence_s: how long the backend may say nothing, before its answer and within.
        max_body_bytes: of a request.
        max_answer_bytes: of an answer that is no stream: longer ones are passed on in parts, the figures after them.
        max_held_bytes: of all bodies that are held at one time.
    """

    backend: Backend
    tenant_header: str = ""
    model: str = ""
    connect_s: float = 5.0
    silence_s: float = 600.0
    head_s: float = 30.0
    body_s: float = 60.0
    send_s: float = 60.0
    max_connections: int = 512
    max_head_bytes: int = 64 * 1024
    max_headers: int = 100
    max_target_bytes: int = 8 * 1024
    max_body_bytes: int = 64 * MIB
    max_answer_bytes: int = 16 * MIB
    max_held_bytes: int = 512 * MIB


def read_backend(url: str) -> Backend:
    """Return the backend that a URL names. Raises SettingsError: it is scheme, host and port, and nothing else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise SettingsError(f"--backend: {url[:80]!r} is no URL such as http://127.0.0.1:8000")
    if parts.path not in {"", "/"}:
        raise SettingsError(
            f"--backend: {url[:80]!r} has a path; give scheme, host and port, requests keep their own path"
        )
    return Backend(parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80))
