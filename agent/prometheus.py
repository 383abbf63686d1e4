"""What the daemon measured, for Prometheus: the text format 0.0.4, or OpenMetrics where that is asked for.

Energies are whole millijoules inside; as joules they are written with three decimals, exactly up to 10^12 J. A scrape
runs in a thread of its own: neither the work nor the meters wait for it. No login and no TLS: the loopback, unless told
otherwise.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.errors import SettingsError
from agent.sums import Observed, Sums
from agent.version import AGENT

MAX_AT_ONCE: Final = 4
LONGEST_S: Final = 10.0
"""After this a scrape's connection is ended, however slowly it speaks."""

_PATHS: Final = frozenset({"/metrics", "/"})

_log = logging.getLogger(__name__)


class DaemonCollector(Collector):
    """Asks the daemon at each scrape."""

    def __init__(self, observe: Callable[[], Observed]) -> None:
        """Take what is asked."""
        self._observe = observe

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        seen = self._observe()
        yield from _energies(seen.sums)
        yield from _work(seen.sums)
        meters = GaugeMetricFamily(
            "green_meter_up", "Whether the last reading of a device succeeded", labels=["device"]
        )
        for device, up in sorted(seen.meters.items()):
            meters.add_metric([device], int(up))
        yield meters
        yield _gauge("green_measuring", "Whether the daemon measures", int(seen.measuring))
        yield _gauge(
            "green_simulated",
            "Whether the figures are invented: 1 where no accelerator is measured",
            int(seen.simulated),
        )
        yield _gauge("green_work_running", "Pieces of work that run", seen.running)
        yield _gauge("green_windows_spooled", "Windows on disk that the issuer has not acknowledged", seen.spooled)
        yield _gauge("green_windows_rejected", "Windows that the issuer refused for good", seen.rejected)
        yield _counter("green_windows_closed", "Windows closed since the daemon's start", seen.sums.windows)
        yield _counter("green_windows_acknowledged", "Windows that the issuer took, ever", seen.acknowledged)
        yield _counter("green_gaps", "Windows measured and not kept, since the daemon's start", seen.lost)
        yield InfoMetricFamily("green_build", "The agent", {"agent": AGENT, "key_kind": seen.key_kind})


def _energies(sums: Sums) -> Iterator[Metric]:
    kinds = CounterMetricFamily(
        "green_energy_joules",
        "Energy of all closed windows since the daemon's start, by what it was for; the kinds add up",
        labels=["kind"],
        unit="joules",
    )
    for kind, energy_mj in sorted(sums.by_kind.items()):
        kinds.add_metric([kind], joules(energy_mj))
    yield kinds
    devices = CounterMetricFamily(
        "green_accelerator_energy_joules",
        "The same windows' energy by accelerator: all that its counter moved",
        labels=["device", "model", "scope"],
        unit="joules",
    )
    for device, energy_mj in sorted(sums.by_device.items()):
        devices.add_metric(list(device), joules(energy_mj))
    yield devices
    yield _counter(
        "green_estimated_energy_joules", "Part of it that was filled in, not measured", joules(sums.estimated_mj)
    )


def _work(sums: Sums) -> Iterator[Metric]:
    labels = ["model", "tenant"]
    energy = CounterMetricFamily(
        "green_work_joules", "Accelerator energy of work by model and tenant", labels=labels, unit="joules"
    )
    requests = CounterMetricFamily("green_work_requests", "Requests of that work", labels=labels)
    tokens = CounterMetricFamily("green_work_tokens", "Tokens that it stated", labels=[*labels, "direction"])
    for whose, use in sorted(sums.by_work.items()):
        energy.add_metric(list(whose), joules(use.energy_mj))
        requests.add_metric(list(whose), use.requests)
        tokens.add_metric([*whose, "input"], use.input_tokens)
        tokens.add_metric([*whose, "output"], use.output_tokens)
    yield from (energy, requests, tokens)


def joules(energy_mj: int) -> float:
    """Return the nearest float of an energy in J, whose shortest spelling is the exact decimal up to 10^12 J."""
    return energy_mj / 1000


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


class MetricsServer:
    """Answers GET /metrics at an address, from a thread of its own until ``close``."""

    def __init__(self, host: str, port: int, observe: Callable[[], Observed]) -> None:
        """Listen. Raises SettingsError."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(DaemonCollector(observe))
        ProcessCollector(registry=registry)
        handler = type("Handler", (_Handler,), {"registry": registry})
        try:
            self._server = _Server((host, port), handler)
        except OSError as error:
            raise SettingsError(
                f"metrics: cannot listen on {host}, port {port}: {error.strerror or error}; choose another"
            ) from error
        self.address: tuple[str, int] = self._server.socket.getsockname()[:2]
        self._thread = threading.Thread(target=self._server.serve_forever, name="green-agent metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    # Another that listens there is an error, not a companion.
    allow_reuse_port = False

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def verify_request(self, request: object, client_address: object) -> bool:
        """Return whether there is a place for one more."""
        del client_address
        with self._lock:
            if len(self._open) >= MAX_AT_ONCE or not isinstance(request, socket.socket):
                return False
            self._open[request] = time.monotonic() + LONGEST_S
            return True

    def shutdown_request(self, request: object) -> None:
        with self._lock:
            self._open.pop(request, None)  # type: ignore[call-overload]
        super().shutdown_request(request)  # type: ignore[arg-type]

    def service_actions(self) -> None:
        """End what takes too long; called twice a second."""
        with self._lock:
            late = [one for one, until_s in self._open.items() if time.monotonic() > until_s]
        for one in late:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what went wrong with one scrape."""
        del request, client_address
        _log.debug("a scrape failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    registry: CollectorRegistry
    timeout = LONGEST_S
    server_version = "green-agent"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] not in _PATHS:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"here is /metrics\n")
            return
        try:
            encode, kind = choose_encoder(", ".join(self.headers.get_all("Accept", [])))
        except (TypeError, ValueError):
            # A version that is none: the plain text, as for every other form that is not known.
            encode, kind = choose_encoder("")
        try:
            content = encode(self.registry)
        except Exception:  # noqa: BLE001 - a scrape may meet anything, and the next one must work
            _log.exception("the metrics could not be collected")
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", b"see the daemon's log\n")
            return
        self._answer(HTTPStatus.OK, kind, content)

    def _answer(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server calls it
        _log.debug("scraped", extra={"request": format % args})
