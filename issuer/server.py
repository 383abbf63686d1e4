"""The service under granian: what is checked before there are workers, and how each of them starts."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
import structlog
from granian.log import LogLevels
from litestar.types import ASGIApp

from issuer import logs
from issuer.app import bring_up_to_date, create_service
from issuer.carbon.sources import open_all
from issuer.clock import SystemClock
from issuer.keyring import Keyring
from issuer.settings import Settings, SettingsError
from issuer.store import Store
from verifier.http.server import run, why_not_free

_LOG = structlog.get_logger("issuer")

_STOP_TIMEOUT_S: Final = 30


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first, for at most 30 seconds.

    Raises SettingsError, StoreError, SignerError or KeyMismatchError where the service could not do its work.
    """
    logs.configure(settings.log_format, settings.log_level)
    if reason := why_not_free(settings.host, settings.port):
        raise SettingsError(reason)
    asyncio.run(_prepare(settings))
    _LOG.info("listening", host=settings.host, port=settings.port, public_url=settings.public_url)
    run(
        "issuer.server",
        host=settings.host,
        port=settings.port,
        processes=settings.workers,
        header_timeout_s=settings.header_timeout_s,
        workers_kill_timeout=_STOP_TIMEOUT_S,
        respawn_failed_workers=settings.workers > 1,
        log_level=LogLevels.warning,
        # Migrated above, once: several workers at the same time would only wait for each other.
        loader=_Loader(msgspec.structs.replace(settings, migrate_on_start=False)),
    )


async def _prepare(settings: Settings) -> None:
    """Migrate and test the keys once, before there are workers, so that what is wrong is said in plain words.

    Raises GridFileError, StoreError, SignerError, KeyMismatchError.
    """
    if settings.grid_path is not None:
        open_all(settings.grid_path)
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
