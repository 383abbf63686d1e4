"""``issuers`` and ``tenants``: in whose name is issued, and for whom."""

from __future__ import annotations

import argparse
from typing import Final

from did.web import did_of
from issuer.cli.arguments import Commands, shown_name, slug
from issuer.cli.key_files import ALGORITHM_HELP, ALGORITHMS, new_key
from issuer.cli.known import check_issuer, check_new_issuer, check_new_tenant, check_tenant
from issuer.cli.opened import ACTOR, opened
from issuer.cli.output import Answer
from issuer.cli.setup import make_private
from issuer.clock import SystemClock
from issuer.keyring import Keyring
from issuer.node_details import check_tenant_subject
from issuer.settings import SettingsError
from issuer.store.records import ROOT_SLUG, TenantRecord
from schemas.errors import GreenError
from schemas.strict_json import JsonObject

_HOLDER: Final = "did:key:zDnaeVfMTW2FXNunxZaGLTQqg8q28KdNX31teQHFicGGwnQWS"
_SUBJECT_HELP: Final = "its DID (green-wallet did prints a holder's) or URL, if credentials shall name it"


def register(commands: Commands) -> None:
    """Add the commands of this module."""
    issuers = commands.group(
        "issuers", "the identities that this service issues for", example="green-issuer issuers list"
    )
    parser = issuers.add(
        "add",
        _add_issuer,
        summary="add an issuer with a DID and keys of its own, published at /issuers/SLUG/did.json",
        example="green-issuer issuers add berlin --name 'Example Compute Berlin'",
    )
    parser.add_argument("slug", type=slug, help="stands in the DID; cannot be changed")
    parser.add_argument("--name", type=shown_name, required=True, help="name for people to read")
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="ES256", help=f"of its first key {ALGORITHM_HELP}")
    parser.add_argument("--key-uri", metavar="URI", help="sign with an existing key, such as pkcs11:…, instead")
    issuers.add("list", _list_issuers, summary="list the issuers", example="green-issuer issuers list --json")
    tenants = commands.group(
        "tenants", "the customers whose inferences are certified", example="green-issuer tenants add acme --name 'Acme'"
    )
    parser = tenants.add(
        "add",
        _add_tenant,
        summary="add a tenant",
        example=f"green-issuer tenants add acme --name 'Acme GmbH' --subject {_HOLDER}",
    )
    parser.add_argument("tenant", metavar="TENANT", type=slug, help="stands in URLs of its credentials")
    parser.add_argument("--name", type=shown_name, required=True, help="name for people to read")
    parser.add_argument("--subject", type=_subject, help=_SUBJECT_HELP)
    parser.add_argument("--issuer", metavar="SLUG", type=slug, default=ROOT_SLUG, help="which issuer (default: root)")
    parser = tenants.add(
        "set",
        _set_tenant,
        summary="change a tenant's name or subject, for credentials issued from then on; issued ones stay",
        example=f"green-issuer tenants set acme --subject {_HOLDER}",
    )
    parser.add_argument("tenant", metavar="TENANT", type=slug)
    parser.add_argument("--name", type=shown_name, help="name for people to read")
    parser.add_argument("--subject", type=_subject, help=_SUBJECT_HELP)
    tenants.add("list", _list_tenants, summary="list the tenants", example="green-issuer tenants list")


def _subject(text: str) -> str:
    try:
        check_tenant_subject(text)
    except GreenError as error:
        raise argparse.ArgumentTypeError(error.detail) from error
    return text


async def _add_issuer(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        did = did_of(issuer.settings.public_url, "issuers", arguments.slug)
        await check_new_issuer(issuer.store, arguments.slug)
        record = await issuer.store.issuers.add(arguments.slug, did, arguments.name, now_us=issuer.now_us)
        make_private(issuer.settings.keys_path)
        key = new_key(issuer.settings.keys_path, arguments.slug, arguments.algorithm, arguments.key_uri)
        await Keyring(issuer.store, SystemClock()).rotate(arguments.slug, key.key_id, key.uri)
        await issuer.store.log.append(issuer.now_us, ACTOR, "add-issuer", record.slug, "")
    return Answer(value={"slug": record.slug, "did": record.did, "name": record.name}, heading=f"Added {record.did}.")


async def _list_issuers(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        found = await issuer.store.issuers.all()
    return Answer(
        value=[{"slug": item.slug, "did": item.did, "name": item.name} for item in found],
        columns=("slug", "did", "name"),
    )


async def _add_tenant(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        await check_issuer(issuer.store, arguments.issuer)
        await check_new_tenant(issuer.store, arguments.tenant)
        tenant = await issuer.store.tenants.add(
            arguments.tenant, arguments.issuer, arguments.name, arguments.subject, now_us=issuer.now_us
        )
        await issuer.store.log.append(issuer.now_us, ACTOR, "add-tenant", tenant.id, "")
    return Answer(
        value=_shown(tenant),
        heading=f"Added the tenant {tenant.id}.",
        advice=(f"Next: green-issuer nodes invite NODE --tenant {tenant.id} --region DEU --tdp-w 700",),
    )


async def _set_tenant(arguments: argparse.Namespace) -> Answer:
    if arguments.name is None and arguments.subject is None:
        raise SettingsError("what shall change? Give --name, --subject or both")
    async with opened(arguments) as issuer:
        await check_tenant(issuer.store, arguments.tenant)
        tenant = await issuer.store.tenants.change(arguments.tenant, name=arguments.name, subject=arguments.subject)
        detail = " ".join(name for name in ("name", "subject") if getattr(arguments, name) is not None)
        await issuer.store.log.append(issuer.now_us, ACTOR, "set-tenant", tenant.id, detail)
    return Answer(
        value=_shown(tenant),
        heading=f"Changed the tenant {tenant.id}.",
        advice=("It applies to credentials issued from now on; those issued before stay as they are.",),
    )


async def _list_tenants(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        found = await issuer.store.tenants.all()
    return Answer(value=[_shown(tenant) for tenant in found], columns=("id", "name", "subject", "issuer"))


def _shown(tenant: TenantRecord) -> JsonObject:
    return {"id": tenant.id, "name": tenant.name, "subject": tenant.subject, "issuer": tenant.issuer_slug}
