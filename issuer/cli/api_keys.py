"""``api-keys``: who may read and write over HTTP. A key is shown once, when it is made."""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from issuer.access import SCOPES
from issuer.api_key import KEY_BYTES, key_hash, render_key
from issuer.cli.arguments import Commands, shown_name, slug
from issuer.cli.known import check_tenant
from issuer.cli.opened import ACTOR, opened
from issuer.cli.output import Answer
from issuer.settings import SettingsError
from issuer.store.records import ApiKeyRecord
from schemas import times
from schemas.strict_json import JsonObject

_ID_BYTES = 8


def register(commands: Commands) -> None:
    """Add the commands of this module."""
    keys = commands.group(
        "api-keys", "keys for the HTTP interface", example="green-issuer api-keys add --tenant acme --scope read"
    )
    parser = keys.add(
        "add",
        _add,
        summary="make an API key and show it once",
        example="green-issuer api-keys add --tenant acme --scope read --scope status --name 'audit 2026'",
    )
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--tenant", type=slug, help="the tenant whose data the key opens")
    whose.add_argument("--all-tenants", action="store_true", help="a key for every tenant's data")
    parser.add_argument(
        "--scope",
        choices=SCOPES,
        action="append",
        help="what it may do, repeatable (default: read): read, status (revoke, suspend), "
        "issue (credentials of other types), admin (nodes, and all of these)",
    )
    parser.add_argument("--name", type=shown_name, help="a note on what it is for")
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="write the key into a new file (0600), and do not show it"
    )
    parser = keys.add("list", _list, summary="list the API keys", example="green-issuer api-keys list --tenant acme")
    parser.add_argument("--tenant", type=slug, help="only this tenant's")
    parser = keys.add(
        "revoke",
        _revoke,
        summary="end an API key; it stops working with the next request",
        example="green-issuer api-keys revoke k-5b1f8a90c2d3e4f6",
    )
    parser.add_argument("key_id", metavar="ID")


async def _add(arguments: argparse.Namespace) -> Answer:
    api_key = render_key(secrets.token_bytes(KEY_BYTES))
    path: Path | None = arguments.out
    with _in_file(path, api_key):
        record = await _stored(arguments, api_key)
    told = f"API key {record.id} ({', '.join(record.scopes)})"
    if path is not None:
        return Answer(value=_shown(record) | {"file": str(path)}, heading=f"{told} is in {path} (mode 0600).")
    return Answer(value=_shown(record) | {"key": api_key}, heading=f"{told}, shown this once:", advice=(api_key,))


@contextmanager
def _in_file(path: Path | None, api_key: str) -> Iterator[None]:
    """Write a key into a new file before the block, which stores it: no key is in force that nobody has.

    Where the block fails the file is removed. Raises SettingsError where it exists or cannot be written.
    """
    if path is None:
        yield
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise SettingsError(f"--out: {path} exists already; name a new file") from error
    except OSError as error:
        raise SettingsError(f"--out: {path} cannot be written: {error.strerror}") from error
    try:
        try:
            with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 - the descriptor has the mode
                file.write(f"{api_key}\n")
        except OSError as error:
            raise SettingsError(f"--out: {path} cannot be written: {error.strerror}") from error
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def _stored(arguments: argparse.Namespace, api_key: str) -> ApiKeyRecord:
    async with opened(arguments) as issuer:
        await check_tenant(issuer.store, arguments.tenant)
        record = await issuer.store.api_keys.add(
            f"k-{secrets.token_hex(_ID_BYTES)}",
            key_hash(api_key),
            arguments.tenant,
            sorted(set(arguments.scope or ["read"]), key=SCOPES.index),
            arguments.name or "",
            now_us=issuer.now_us,
        )
        await issuer.store.log.append(issuer.now_us, ACTOR, "add-api-key", record.id, " ".join(record.scopes))
    return record


async def _list(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        found = await issuer.store.api_keys.all(arguments.tenant)
    return Answer(
        value=[_shown(record) for record in found], columns=("id", "tenant", "scopes", "name", "created", "revoked")
    )


async def _revoke(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        changed = await issuer.store.api_keys.revoke(arguments.key_id, now_us=issuer.now_us)
        if changed:
            await issuer.store.log.append(issuer.now_us, ACTOR, "revoke-api-key", arguments.key_id, "")
    return Answer(
        value={"id": arguments.key_id, "changed": changed},
        heading="The API key is revoked." if changed else "The API key was revoked before.",
    )


def _shown(record: ApiKeyRecord) -> JsonObject:
    return {
        "id": record.id,
        "tenant": record.tenant_id,
        "scopes": [*record.scopes],
        "name": record.name,
        "created": times.render_seconds(times.from_microseconds(record.created_us)),
        "revoked": record.revoked_us is not None,
    }
