"""Granian as both services start it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any, Final

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from litestar.types import ASGIApp

from verifier.http.parent import end_with_parent

# Larger than the header cap of our own edge, which answers with a problem document; granian just cuts.
_BUFFER_BYTES: Final = 128 * 1024


def run(
    target: str,
    *,
    host: str,
    port: int,
    processes: int,
    header_timeout_s: float,
    loader: Callable[[str], ASGIApp],
    **more: Any,
) -> None:
    """Serve until a signal ends it. ``loader`` makes the application of ``target``; ``more`` is granian's.

    A worker whose first process was killed is killed too: it would serve on, and nobody would know of it.
    """
    Granian(
        target,
        interface=Interfaces.ASGI,
        address=host,
        port=port,
        workers=processes,
        # HTTP/1 alone: while granian waits to see which version it will be, no timeout runs, and a thousand connections
        # that say nothing would keep out everybody for ever.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=round(header_timeout_s * 1000), max_buffer_size=_BUFFER_BYTES),
        websockets=False,
        **more,
    ).serve(target_loader=_Loader(loader, os.getpid()))


class _Loader:
    """Makes the application in a worker, which from then on ends with the process that started it."""

    def __init__(self, loader: Callable[[str], ASGIApp], parent_pid: int) -> None:
        self._loader = loader
        self._parent_pid = parent_pid

    def __call__(self, target: str) -> ASGIApp:
        end_with_parent(self._parent_pid)
        return self._loader(target)


def why_not_free(host: str, port: int) -> str | None:
    """Return why nobody can listen there, and what to do, or None.

    granian shares its port with other granians: a second service would start without a word and answer half of the
    requests, perhaps under another policy.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return f"cannot listen on {host}, port {port}: {error.strerror}; choose another --port"
    return None
