"""``init``, ``db upgrade``: an issuer from nothing, and its database brought up to date."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Final

from did.web import did_of
from issuer.cli.arguments import Commands, shown_name
from issuer.cli.key_files import ALGORITHM_HELP, ALGORITHMS, new_key
from issuer.cli.opened import CONFIG_NAME, data_dir_of, opened, settings_of, store_of
from issuer.cli.output import Answer
from issuer.clock import SystemClock
from issuer.keyring import Keyring
from issuer.settings import Settings, SettingsError
from issuer.store import Store
from issuer.store.records import ROOT_SLUG, IssuerRecord
from schemas import times

_OWNER_ONLY: Final = 0o700
_OTHERS: Final = 0o077


def register(commands: Commands) -> None:
    """Add the commands of this module."""
    init = commands.add(
        "init",
        _init,
        summary="make an issuer: data folder, database, identity and first signing key",
        example="green-issuer init --public-url https://issuer.example --name 'Example Compute'",
    )
    init.add_argument("--public-url", metavar="URL", help="where the service will be reached; the DID comes from it")
    init.add_argument("--name", type=shown_name, default="Green compute issuer", help="name for people to read")
    init.add_argument("--algorithm", choices=ALGORITHMS, default="ES256", help=f"of the first key {ALGORITHM_HELP}")
    init.add_argument("--key-uri", metavar="URI", help="sign with an existing key, such as pkcs11:…, instead")
    init.add_argument("--development", action="store_true", help="allow http and a loopback host, to try things out")
    database = commands.group("db", "the database's schema", example="green-issuer db upgrade")
    database.add(
        "upgrade",
        _upgrade,
        summary="bring the database's schema to this version; safe to run again",
        example="green-issuer db upgrade --database-url postgresql://green@db.internal/green",
    )


async def _init(arguments: argparse.Namespace) -> Answer:
    settings = settings_of(arguments)
    make_private(settings.data_path)
    make_private(settings.keys_path)
    _write_config(data_dir_of(arguments) / CONFIG_NAME, settings)
    did = did_of(settings.public_url)
    async with store_of(settings, show_notices=True) as store:
        await store.migrate()
        root = await _root_issuer(store, did, arguments.name)
        keyring = Keyring(store, SystemClock())
        if await store.keys.active(ROOT_SLUG) is None:
            key = new_key(settings.keys_path, ROOT_SLUG, arguments.algorithm, arguments.key_uri)
            await keyring.rotate(ROOT_SLUG, key.key_id, key.uri)
        active = await keyring.active(ROOT_SLUG)
    return Answer(
        value={
            "did": root.did,
            "name": root.name,
            "public_url": settings.public_url,
            "data_dir": str(settings.data_path),
            "verification_method": active.verification_method,
            "algorithm": active.algorithm,
        },
        heading=f"This issuer is {root.did}\nIt signs with {active.verification_method} ({active.algorithm}).",
        advice=_next_steps(settings),
    )


def _next_steps(settings: Settings) -> tuple[str, ...]:
    where = "" if settings.data_dir == "green-issuer-data" else f" --data-dir {settings.data_dir}"
    return (
        "",
        "Next:",
        f"  green-issuer tenants add acme --name 'Acme'{where}",
        f"  green-issuer nodes invite node-1 --tenant acme --region DEU --tdp-w 700{where}",
        f"  green-issuer api-keys add --tenant acme --scope read{where}",
        f"  green-issuer serve{where}",
        f"Keep {settings.keys_path} secret and backed up: who has it can issue in this name.",
    )


async def _root_issuer(store: Store, did: str, name: str) -> IssuerRecord:
    existing = await store.issuers.get(ROOT_SLUG)
    if existing is None:
        return await store.issuers.add(ROOT_SLUG, did, name, now_us=times.to_microseconds(SystemClock().now()))
    if existing.did != did:
        raise SettingsError(
            f"this database belongs to {existing.did}; its identity cannot become {did}: "
            "use the old public_url, or another --data-dir"
        )
    return existing


def make_private(folder: Path) -> None:
    """Make ``folder`` for its owner alone (0700). Raises SettingsError where others may enter an existing one."""
    try:
        folder.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        mode = folder.stat().st_mode
    except OSError as error:
        raise SettingsError(f"{folder} cannot be made: {error.strerror}") from error
    if mode & _OTHERS:
        raise SettingsError(f"other users may enter {folder}; run: chmod 700 {folder}")


def _write_config(path: Path, settings: Settings) -> None:
    """Write down what the identity depends on, so that the next command needs no options. Never overwritten."""
    lines = [
        "# Settings of this issuer; green-issuer reads them from here. All of them: docs/operating.md.",
        f'public_url = "{settings.public_url}"',
        f"development = {'true' if settings.development else 'false'}",
        *([f'database_url = "{settings.database_url}"'] if settings.database_url else []),
    ]
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


async def _upgrade(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        await issuer.store.migrate()
    return Answer(value={"upgraded": True}, heading="The database's schema is that of this version.")
