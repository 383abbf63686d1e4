"""Running the service under granian."""

from __future__ import annotations

import os

from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings

from verifier.settings import PREFIX, Settings

_HEADER_TIMEOUT_MS = 10_000


def serve(settings: Settings) -> None:
    """Serve until a signal ends it. Each of ``settings.processes`` loads the application anew.

    The server's processes read the environment, so what the command line changed is put there first.
    """
    os.environ[f"{PREFIX}HOST"] = settings.host
    os.environ[f"{PREFIX}PORT"] = str(settings.port)
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
