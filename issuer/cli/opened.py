"""What a command works on: the settings in force and the database, opened for as long as the command runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from issuer.clock import SystemClock
from issuer.settings import PREFIX, Settings, SettingsError, load
from issuer.store import Store
from schemas import times

CONFIG_NAME: Final = "issuer.toml"
_DEFAULT_DATA_DIR: Final = "green-issuer-data"
ACTOR: Final = "cli"
"""Who the audit log says did it: somebody with the database in hand."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The settings, the store and the time of a command."""

    settings: Settings
    store: Store
    now_us: int


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Return the settings in force for a command line. Raises SettingsError."""
    overrides = {
        name: getattr(arguments, name, None)
        for name in ("data_dir", "database_url", "public_url", "host", "port", "workers")
    }
    if getattr(arguments, "development", False):
        overrides["development"] = True
    return load(environment=os.environ, config=_config_path(arguments), overrides=overrides)


def settings_of_issuer(arguments: argparse.Namespace) -> Settings:
    """Return the settings in force for an issuer that ``init`` has made. Raises SettingsError where there is none."""
    named = arguments.database_url or os.environ.get(PREFIX + "DATABASE_URL")
    if _config_path(arguments) is None and not named:
        # Before the settings are read: without an issuer they lack the public URL, which is not what is wrong.
        _check_database(data_dir_of(arguments).absolute())
    settings = settings_of(arguments)
    if not settings.database_url:
        _check_database(settings.data_path)
    return settings


def _check_database(folder: Path) -> None:
    if not (folder / "issuer.db").exists():
        raise SettingsError(
            f"there is no issuer in {folder}; run green-issuer init first, or name its folder with --data-dir"
        )


def data_dir_of(arguments: argparse.Namespace) -> Path:
    """Return the data folder that the command line, the environment or the default names."""
    return Path(arguments.data_dir or os.environ.get(PREFIX + "DATA_DIR") or _DEFAULT_DATA_DIR).expanduser()


def _config_path(arguments: argparse.Namespace) -> Path | None:
    named = arguments.config or os.environ.get(PREFIX + "CONFIG")
    if named:
        return Path(named)
    written = data_dir_of(arguments) / CONFIG_NAME
    return written if written.exists() else None


@asynccontextmanager
async def opened(arguments: argparse.Namespace) -> AsyncIterator[Opened]:
    """Give the settings and the store of an issuer that ``init`` has made. The server may run meanwhile.

    Raises SettingsError, and StoreError where the database cannot be used.
    """
    settings = settings_of_issuer(arguments)
    async with store_of(settings) as store:
        await store.check_version()
        yield Opened(settings, store, times.to_microseconds(SystemClock().now()))


@asynccontextmanager
async def store_of(settings: Settings, *, show_notices: bool = False) -> AsyncIterator[Store]:
    """Give the store of the settings. ``show_notices``: say on standard error what to know about the database."""
    store = Store.open(settings.store_url, list_size=settings.status_list_size)
    try:
        for notice in store.notices if show_notices else ():
            sys.stderr.write(f"note: {notice}\n")
        yield store
    finally:
        await store.close()
