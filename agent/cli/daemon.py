"""``green-agent daemon``."""

from __future__ import annotations

import signal
import sys
import threading

from agent.cli.call import Call
from agent.windows.daemon import open_daemon
from agent.windows.server_address import socket_path


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
        running.run(stop)
    return 0
