"""Running the service under granian."""

from __future__ import annotations

import os
import socket

from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings

from verifier.errors import UsageError
from verifier.settings import SETTINGS_FILE, Settings, environment_of

_HEADER_TIMEOUT_MS = 10_000


def serve(settings: Settings) -> None:
    """Serve until a signal ends it. Each of ``settings.processes`` loads the application anew.

    The server's processes read the environment, so the settings are put there first, all of them: a policy
    that the file names must be in force in each process. Raises UsageError where the port is taken.
    """
    _require_free(settings.host, settings.port)
    os.environ.pop(SETTINGS_FILE, None)
    os.environ.update(environment_of(settings))
    Granian(
        "verifier.app:create_app",
        factory=True,
        interface=Interfaces.ASGI,
        address=settings.host,
        port=settings.port,
        workers=settings.processes,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_TIMEOUT_MS),
        websockets=False,
        log_access=False,
    ).serve()


def _require_free(host: str, port: int) -> None:
    # The server shares its port with other processes, so a second one would start without a word and
    # answer half of the requests, perhaps under another policy.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(
                f"cannot listen on {host}, port {port}: {error.strerror}; choose another --port"
            ) from error
