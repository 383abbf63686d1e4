"""``serve``: the service itself, under granian."""

from __future__ import annotations

import argparse
import asyncio
from typing import Final

import msgspec
import structlog
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from litestar.types import ASGIApp

from issuer import logs
from issuer.app import bring_up_to_date, create_service
from issuer.cli.arguments import Commands, port, positive
from issuer.cli.opened import settings_of, store_of
from issuer.cli.output import Answer
from issuer.clock import SystemClock
from issuer.keyring import Keyring
from issuer.settings import Settings, SettingsError

_LOG = structlog.get_logger("issuer")

_HEADER_TIMEOUT_MS: Final = 10_000
# Larger than the header cap of our own edge, which answers with a problem document; granian just cuts.
_BUFFER_BYTES: Final = 128 * 1024
_STOP_TIMEOUT_S: Final = 30
_LISTEN_BACKLOG: Final = 1024


def register(commands: Commands) -> None:
    """Add the commands of this module."""
    parser = commands.add(
        "serve",
        _serve,
        summary="run the service until SIGTERM or Ctrl-C",
        example="green-issuer serve --host 0.0.0.0 --port 8080",
    )
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=port, help="port to listen on (default: 8080)")
    parser.add_argument(
        "--workers", type=positive, help="worker processes; more than one needs PostgreSQL (default: 1)"
    )
    parser.add_argument("--public-url", metavar="URL", help="override where the service is reached")
    parser.add_argument("--development", action="store_true", help="allow http and a loopback host")


def _serve(arguments: argparse.Namespace) -> Answer:
    settings = settings_of(arguments)
    if not settings.database_url and not (settings.data_path / "issuer.db").exists():
        raise SettingsError(f"there is no issuer in {settings.data_path}; run green-issuer init first")
    logs.configure(settings.log_format, settings.log_level)
    asyncio.run(_prepare(settings))
    _LOG.info("listening", host=settings.host, port=settings.port, public_url=settings.public_url)
    server = Granian(
        "issuer.cli.serve:service",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_TIMEOUT_MS, max_buffer_size=_BUFFER_BYTES),
        websockets=False,
        backlog=_LISTEN_BACKLOG,
        workers_kill_timeout=_STOP_TIMEOUT_S,
        respawn_failed_workers=settings.workers > 1,
        log_level=LogLevels.warning,
        process_name=None,
    )
    # Done above, once: several workers at the same time would only wait for each other.
    server.serve(target_loader=_Loader(msgspec.structs.replace(settings, migrate_on_start=False)))
    return Answer(value=None)


async def _prepare(settings: Settings) -> None:
    """Migrate and test the keys once, before there are workers, so that what is wrong is said in plain words.

    Raises StoreError, SignerError, KeyMismatchError.
    """
    async with store_of(settings) as store:
        await bring_up_to_date(store, migrate=settings.migrate_on_start)
        await Keyring(store, SystemClock()).check_all()


class _Loader:
    """Makes the application in each worker: connections and keys do not survive a fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, _target: str) -> ASGIApp:
        logs.configure(self._settings.log_format, self._settings.log_level)
        return create_service(self._settings)
