"""Running the service under granian."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import msgspec
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings

from verifier.challenges import Challenges
from verifier.errors import UsageError
from verifier.settings import SETTINGS_FILE, Settings, challenge_file, environment_of

# Larger than the header cap of our own edge, which answers with a problem document; granian just cuts.
_BUFFER_BYTES = 128 * 1024


def serve(settings: Settings) -> None:
    """Serve until a signal ends it. Each of ``settings.processes`` loads the application anew.

    The server's processes read the environment, so the settings are put there first, all of them: a policy
    that the file names must be in force in each process. They share the file of challenges; without a
    ``state_dir`` it lies in a temporary folder, removed at the end. Raises UsageError where the port is taken,
    or where that file cannot be used.
    """
    _require_free(settings.host, settings.port)
    with tempfile.TemporaryDirectory(prefix="green-verifier-") as temporary:
        file = challenge_file(settings) or str(Path(temporary) / "challenges.sqlite")
        Challenges(file).close()
        shared = msgspec.structs.replace(settings, challenge_file=file)
        os.environ.pop(SETTINGS_FILE, None)
        os.environ.update(environment_of(shared))
        Granian(
            "verifier.app:create_app",
            factory=True,
            interface=Interfaces.ASGI,
            address=settings.host,
            port=settings.port,
            workers=settings.processes,
            # HTTP/1 alone: while granian waits to see which version it will be, no timeout runs, and a thousand connections
            # that say nothing would keep out everybody for ever.
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(
                header_read_timeout=round(settings.header_timeout_s * 1000), max_buffer_size=_BUFFER_BYTES
            ),
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
