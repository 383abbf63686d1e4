"""``green-agent proxy``."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys

from agent.cli.call import Call
from agent.config import is_loopback
from agent.errors import DaemonError, SettingsError
from agent.listen_address import read_address
from agent.proxy.metering import Metering
from agent.proxy.options import MIB, Options, read_backend
from agent.proxy.serve import listen, opener, serve
from agent.windows.client import ask_status
from agent.windows.server_address import socket_path

_ASK_S = 1.0
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


def proxy(call: Call) -> int:
    """Stand before a backend until SIGTERM or Ctrl-C; 0 where that ended in order."""
    given = call.options
    host, port = read_address(given.listen, "--listen")
    tenant_header = (given.tenant_header or "").lower()
    if not _TOKEN.issuperset(tenant_header):
        raise SettingsError(f"--tenant-header: {given.tenant_header[:80]!r} is no name of a header")
    if tenant_header and call.settings.mode == "direct":
        raise SettingsError("--tenant-header: only the daemon's records name a tenant; set mode = daemon")
    options = Options(
        backend=read_backend(given.backend),
        tenant_header=tenant_header,
        model=given.model or "",
        silence_s=given.timeout,
        max_body_bytes=given.max_body * MIB,
    )
    metering = Metering(opener(call.settings, call.home, call.environment))
    if call.settings.mode == "direct":
        metering.open()
    listener = listen(host, port)
    _tell(call, options, listener.getsockname()[:2])
    asyncio.run(_until_told(options, listener, metering))
    metering.close(call.settings.run_submit_s)
    return 0


async def _until_told(options: Options, listener: socket.socket, metering: Metering) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(options, listener, metering, stop)


def _tell(call: Call, options: Options, address: tuple[str, int]) -> None:
    host, port = address
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    backend = f"{options.backend.scheme}://{options.backend.authority}"
    if not is_loopback(host):
        print(
            f"green-agent: {host} is not this machine's loopback: the proxy asks for no login and speaks no TLS; put "
            "what does both in front of it",
            file=sys.stderr,
        )
    measures = _measures(call)
    if call.options.json:
        print(json.dumps({"url": url, "backend": backend, "measures": measures}), flush=True)
        return
    print(f"green-agent: {url} stands before {backend}; measured by {measures}", flush=True)


def _measures(call: Call) -> str:
    if call.settings.mode == "direct":
        return "this process"
    try:
        measuring = ask_status(socket_path(call.settings, call.home), wait_s=_ASK_S).measuring
    except DaemonError:
        measuring = False
    return "the daemon" if measuring else "nobody: start green-agent daemon"
