"""The outermost layer of the issuer's service: besides what holds for every service, the one host that is ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from litestar.types import ASGIApp, HTTPScope

from issuer import problems
from issuer.http.errors import HostRefusedError
from issuer.settings import Settings
from verifier.http import edge
from verifier.http.framing import SEND_TIMEOUT_S
from verifier.http.problems import Problem, instance_of

_DEFAULT_PORTS: Final = {"https": ":443", "http": ":80"}
# Data is never a page.
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
_HSTS: Final = {"strict-transport-security": "max-age=63072000; includeSubDomains"}


class Edge(edge.Edge):
    """An ASGI application around ``app``: refuses other hosts' requests too."""

    def __init__(self, app: ASGIApp, settings: Settings, *, send_timeout_s: float = SEND_TIMEOUT_S) -> None:
        """Take the caps and the accepted hosts from the settings, and how long a reader may stand still, in seconds."""
        super().__init__(
            app,
            max_headers=settings.header_max_count,
            max_header_bytes=settings.header_max_bytes,
            headers=_HEADERS | (_HSTS if settings.public_url.startswith("https:") else {}),
            log="issuer.http",
            send_timeout_s=send_timeout_s,
        )
        self._hosts = accepted_hosts(settings)

    def admit(self, scope: HTTPScope) -> None:
        """Return if the Host header is ours. Raises HostRefusedError."""
        hosts = edge.values_of(scope, b"host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            raise HostRefusedError(
                "the Host header is missing, doubled or names another service; use the public URL of this one"
            )

    def problem(self, error: Exception, scope: HTTPScope, /) -> tuple[Problem, Mapping[str, str]]:
        """Return the problem document of any error, which names the request, and the headers that it needs."""
        return problems.problem_of(error, instance_of(scope)), problems.headers_of(error)


def accepted_hosts(settings: Settings) -> frozenset[str]:
    """Return the Host headers that are this service's: those of the settings, the default port written or not."""
    suffix = _DEFAULT_PORTS[urlsplit(settings.public_url).scheme]
    bare = {host.removesuffix(suffix) for host in settings.hosts}
    hosts = settings.hosts | bare | {host + suffix for host in bare if not _has_port(host)}
    if settings.development:
        port = urlsplit(settings.public_url).port
        loopback = ("localhost", "127.0.0.1", "[::1]")
        hosts |= {name if port is None else f"{name}:{port}" for name in loopback}
    return frozenset(hosts)


def _has_port(host: str) -> bool:
    return urlsplit("//" + host).port is not None
