"""Running the service under granian."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec
from litestar.types import ASGIApp

from verifier.errors import UsageError
from verifier.http.server import run, why_not_free
from verifier.settings import SETTINGS_FILE, Settings, challenge_file, environment_of
from verifier.web.challenges import Challenges


def serve(settings: Settings) -> None:
    """Serve until a signal ends it. Each of ``settings.processes`` loads the application anew.

    The server's processes read the environment, so the settings are put there first, all of them: a policy
    that the file names must be in force in each process. They share the file of challenges; without a
    ``state_dir`` it lies in a temporary folder, removed at the end. Raises UsageError where the port is taken,
    or where that file cannot be used.
    """
    if reason := why_not_free(settings.host, settings.port):
        raise UsageError(reason)
    with tempfile.TemporaryDirectory(prefix="green-verifier-") as temporary:
        file = challenge_file(settings) or str(Path(temporary) / "challenges.sqlite")
        Challenges(file).close()
        shared = msgspec.structs.replace(settings, challenge_file=file)
        os.environ.pop(SETTINGS_FILE, None)
        os.environ.update(environment_of(shared))
        run(
            "verifier.web.app:create_app",
            host=settings.host,
            port=settings.port,
            processes=settings.processes,
            header_timeout_s=settings.header_timeout_s,
            loader=_load,
            log_access=False,
        )


def _load(_target: str) -> ASGIApp:
    # Imported in the worker alone: the first process serves nothing.
    from verifier.web.app import create_app

    return create_app()
