"""The proxy as a service: listens until it is told to stop, then lets what is being answered end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping

from agent.clock import SystemClock
from agent.config import Settings
from agent.errors import SettingsError
from agent.home import Home
from agent.proxy.forward import Forwarder
from agent.proxy.metering import Metering
from agent.proxy.options import Options
from agent.proxy.server import Server
from agent.session import Measurer, open_session
from agent.windows.client import DaemonSession
from agent.windows.server_address import socket_path

_BACKLOG = 256


def opener(settings: Settings, home: Home, environment: Mapping[str, str]) -> Callable[[], Measurer]:
    """Return what opens the session: the daemon's connection, or, with ``mode`` direct, one of this process.

    Without a daemon nothing else measures: the next request asks for it again.
    """
    if settings.mode == "direct":
        return lambda: open_session(settings, home, environment, background=settings.submit)
    return lambda: DaemonSession(socket_path(settings, home), SystemClock(), wait_s=settings.daemon_wait_s)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises SettingsError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"--listen: cannot listen on {host}, port {port}: {error.strerror or error}; choose another"
        ) from error


async def serve(
    options: Options, listener: socket.socket, metering: Metering, stop: asyncio.Event, *, close_s: float = 30.0
) -> None:
    """Answer requests until ``stop``, then what is being answered for at most ``close_s``. ``metering`` stays open."""
    forwarder = Forwarder(options, metering)
    server = Server(forwarder, options)
    listening = await asyncio.start_server(server.serve, sock=listener)
    try:
        await stop.wait()
    finally:
        listening.close()
        await server.close(close_s)
        await forwarder.close()
