"""``keys``: the signing keys of an issuer. Retired keys stay published and verify what they signed."""

from __future__ import annotations

import argparse

from issuer.cli.arguments import Commands, key_id, slug
from issuer.cli.key_files import ALGORITHM_HELP, ALGORITHMS, new_key
from issuer.cli.opened import ACTOR, opened
from issuer.cli.output import Answer
from issuer.cli.setup import make_private
from issuer.clock import SystemClock
from issuer.keyring import Keyring
from issuer.store.errors import NotFoundError
from issuer.store.records import ROOT_SLUG, KeyRecord
from schemas import times
from schemas.strict_json import JsonObject

_COLUMNS = ("state", "algorithm", "key_id", "created", "uri")


def register(commands: Commands) -> None:
    """Add the commands of this module."""
    keys = commands.group("keys", "the signing keys of an issuer", example="green-issuer keys rotate")
    parser = keys.add(
        "list", _list, summary="list the keys, retired and revoked ones too", example="green-issuer keys list"
    )
    _add_issuer(parser)
    parser = keys.add(
        "rotate",
        _rotate,
        summary="sign with a new key from now on; the old one stays published",
        example="green-issuer keys rotate --algorithm EdDSA",
    )
    _add_issuer(parser)
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="ES256", help=f"of the new key {ALGORITHM_HELP}")
    parser.add_argument("--key-uri", metavar="URI", help="take an existing key, such as pkcs11:…, instead")
    parser = keys.add(
        "revoke",
        _revoke,
        summary="declare a key compromised: nothing that it signed verifies any more",
        example="green-issuer keys revoke yM3Yg7nVc4jVRXhcXEVZpYS2Uo3wKYk0f3-T3iRr9mI",
    )
    _add_issuer(parser)
    parser.add_argument("key_id", metavar="KEY_ID", type=key_id)


def _add_issuer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--issuer", metavar="SLUG", type=slug, default=ROOT_SLUG, help="which issuer (default: root)")


async def _list(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        await _require(await issuer.store.issuers.get(arguments.issuer), arguments.issuer)
        keys = await issuer.store.keys.all(arguments.issuer)
    return Answer(value=[_shown(key) for key in keys], columns=_COLUMNS)


async def _rotate(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        await _require(await issuer.store.issuers.get(arguments.issuer), arguments.issuer)
        make_private(issuer.settings.keys_path)
        key = new_key(issuer.settings.keys_path, arguments.issuer, arguments.algorithm, arguments.key_uri)
        active = await Keyring(issuer.store, SystemClock()).rotate(arguments.issuer, key.key_id, key.uri)
        await issuer.store.log.append(issuer.now_us, ACTOR, "rotate-key", active.verification_method, "")
    return Answer(
        value={"verification_method": active.verification_method, "algorithm": active.algorithm, "uri": key.uri},
        heading=f"Signing with {active.verification_method} ({active.algorithm}) from now on.",
        advice=("The server takes it up by itself. The key before is retired: it stays in the DID document.",),
    )


async def _revoke(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        changed = await issuer.store.keys.revoke(arguments.issuer, arguments.key_id, now_us=issuer.now_us)
        if changed:
            await issuer.store.log.append(issuer.now_us, ACTOR, "revoke-key", arguments.key_id, "")
        active = await issuer.store.keys.active(arguments.issuer)
    advice = () if active else ("The issuer has no active key now and cannot issue: run green-issuer keys rotate.",)
    return Answer(
        value={"key_id": arguments.key_id, "changed": changed},
        heading="The key is revoked; what it signed no longer verifies." if changed else "The key was revoked before.",
        advice=advice,
    )


async def _require(issuer: object | None, name: str) -> None:
    if issuer is None:
        raise NotFoundError(f"there is no issuer {name!r}; see green-issuer issuers list")


def _shown(key: KeyRecord) -> JsonObject:
    return {
        "issuer": key.issuer_slug,
        "key_id": key.key_id,
        "state": key.state,
        "algorithm": key.algorithm,
        "created": times.render_seconds(times.from_microseconds(key.created_us)),
        "uri": key.uri,
    }
