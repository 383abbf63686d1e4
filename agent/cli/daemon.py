"""``green-agent daemon``."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

from agent.cli.call import Call
from agent.contact import read
from agent.errors import SettingsError
from agent.listen_address import read_address
from agent.sums import Observed
from agent.windows.daemon import Daemon, open_daemon
from agent.windows.server_address import socket_path
from schemas.distribution import how_to_install


def daemon(call: Call) -> int:
    """Measure this node until SIGTERM or Ctrl-C, then close the last window; 0 where that is done."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with open_daemon(call.settings, call.home, call.environment) as running:
        state = running.status()
        if state.simulated:
            print(
                "green-agent: no GPU is measured: the figures are SIMULATED, and every window says so", file=sys.stderr
            )
        print(
            f"green-agent: windows of {call.settings.window_s:g} s, signed by a {state.key_kind} key; "
            f"workloads at {socket_path(call.settings, call.home)}",
            flush=True,
        )
        with _watched(call, running):
            running.run(stop)
    return 0


@contextlib.contextmanager
def _watched(call: Call, running: Daemon) -> Iterator[None]:
    """Answer Prometheus meanwhile, where that is asked for. Raises SettingsError where nothing can listen there."""
    where = call.options.metrics or call.settings.metrics
    if not where:
        yield
        return
    # Imported when asked for: most daemons are not watched.
    try:
        from agent.prometheus import MetricsServer
    except ModuleNotFoundError as error:
        raise SettingsError(f"metrics need prometheus_client: {how_to_install('agent')}") from error

    def observe() -> Observed:
        acknowledged = read(call.home.window_contact_file).acknowledged
        return replace(running.observed(), acknowledged=acknowledged)

    host, port = read_address(where, "metrics")
    server = MetricsServer(host, port, observe)
    url = f"http://[{host}]" if ":" in host else f"http://{host}"
    print(f"green-agent: metrics at {url}:{server.address[1]}/metrics", flush=True)
    try:
        yield
    finally:
        server.close()
