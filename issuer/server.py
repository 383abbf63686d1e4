"""The service under granian: what is checked before there are workers, and how each of them starts."""

from __future__ import annotations

import asyncio
import socket
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
from issuer.clock import SystemClock
from issuer.keyring import Keyring
from issuer.settings import Settings, SettingsError
from issuer.store import Store

_LOG = structlog.get_logger("issuer")

# Larger than the header cap of our own edge, which answers with a problem document; granian just cuts.
_BUFFER_BYTES: Final = 128 * 1024
_STOP_TIMEOUT_S: Final = 30
_LISTEN_BACKLOG: Final = 1024


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first, for at most 30 seconds.

    Raises SettingsError, StoreError, SignerError or KeyMismatchError where the service could not do its work.
    """
    logs.configure(settings.log_format, settings.log_level)
    check_port(settings.host, settings.port)
    asyncio.run(_prepare(settings))
    _LOG.info("listening", host=settings.host, port=settings.port, public_url=settings.public_url)
    server = Granian(
        "issuer.server",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=round(settings.header_timeout_s * 1000), max_buffer_size=_BUFFER_BYTES
        ),
        websockets=False,
        backlog=_LISTEN_BACKLOG,
        workers_kill_timeout=_STOP_TIMEOUT_S,
        respawn_failed_workers=settings.workers > 1,
        log_level=LogLevels.warning,
        process_name=None,
    )
    # Done above, once: several workers at the same time would only wait for each other.
    server.serve(target_loader=_Loader(msgspec.structs.replace(settings, migrate_on_start=False)))


def check_port(host: str, port: int) -> None:
    """Raise SettingsError where the port is taken. granian would share it with another granian, unnoticed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise SettingsError(
            f"port {port} of {host} cannot be used ({error.strerror}); choose one with --port"
        ) from error


async def _prepare(settings: Settings) -> None:
    """Migrate and test the keys once, before there are workers, so that what is wrong is said in plain words.

    Raises StoreError, SignerError, KeyMismatchError.
    """
    store = Store.open(settings.store_url, list_size=settings.status_list_size)
    try:
        await bring_up_to_date(store, migrate=settings.migrate_on_start)
        await Keyring(store, SystemClock()).check_all()
    finally:
        await store.close()


class _Loader:
    """Makes the application in each worker: connections and keys do not survive a fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, _target: str) -> ASGIApp:
        logs.configure(self._settings.log_format, self._settings.log_level)
        return create_service(self._settings)
