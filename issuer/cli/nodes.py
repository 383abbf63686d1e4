"""``nodes``: the GPU nodes whose telemetry is taken, and what each of them may claim."""

from __future__ import annotations

import argparse
import secrets
from datetime import timedelta
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from did.jwk import from_cryptography
from issuer import enrolment
from issuer.cli.arguments import Commands, Parser, positive, slug
from issuer.cli.invitations import register as register_invitations
from issuer.cli.known import check_invited, check_new_node, check_tenant
from issuer.cli.node_chain import chain_lines
from issuer.cli.node_claims import add_options, profile_of
from issuer.cli.node_gap import register as register_gap
from issuer.cli.node_tenants import register as register_tenants
from issuer.cli.node_update import register as register_update
from issuer.cli.opened import ACTOR, opened
from issuer.cli.output import Answer, cell
from issuer.errors import EnrolmentError
from issuer.node_details import PUE_KINDS, NodeDetails
from issuer.node_view import node_view
from issuer.store.errors import NotFoundError
from issuer.windows.view import chain_view
from schemas import strict_json, times
from schemas.strict_json import Json, JsonObject

_COLUMNS = ("node_id", "tenant_id", "state", "grid_region", "tdp_w", "simulated", "key_uri")
_TOLD = 20
"""Windows of which something was told that are shown."""


def register(commands: Commands) -> None:
    """Add the commands of this module."""
    nodes = commands.group(
        "nodes", "the nodes whose telemetry is taken", example="green-issuer nodes list --tenant acme"
    )
    parser = nodes.add(
        "invite",
        _invite,
        summary="make a token with which a node enrols its own key",
        example="green-issuer nodes invite node-7 --tenant acme --region DEU --tdp-w 700",
    )
    _add_details(parser)
    parser.add_argument("--valid-hours", type=_hours, help="how long the token opens (default: 24, at most 720)")
    parser = nodes.add(
        "add",
        _add,
        summary="register a node with its public key",
        example="green-issuer nodes add node-7 --tenant acme --region CAMX --tdp-w 5600 --key node-7.jwk.json",
    )
    _add_details(parser)
    parser.add_argument("--key", required=True, metavar="FILE", help="public key: a JWK in JSON, or PEM")
    parser = nodes.add("list", _list, summary="list the nodes", example="green-issuer nodes list --tenant acme")
    parser.add_argument("--tenant", type=slug, help="only this tenant's")
    parser = nodes.add("show", _show, summary="show one node", example="green-issuer nodes show node-7 --json")
    parser.add_argument("node_id", metavar="NODE")
    parser = nodes.add(
        "revoke",
        _revoke,
        summary="take no more telemetry of a node; its credentials stay as they are",
        example="green-issuer nodes revoke node-7",
    )
    parser.add_argument("node_id", metavar="NODE")
    register_invitations(nodes)
    register_tenants(nodes)
    register_gap(nodes)
    register_update(nodes)


def _hours(text: str) -> int:
    hours = positive(text)
    if timedelta(hours=hours) > enrolment.MAX_VALIDITY:
        raise argparse.ArgumentTypeError(f"{text} is more than 720 hours")
    return hours


def _add_details(parser: Parser) -> None:
    parser.add_argument("node_id", metavar="NODE", help="the node's id, as it will send it")
    parser.add_argument("--tenant", type=slug, required=True, help="the customer that it works for")
    parser.add_argument("--region", required=True, help="grid region; see green-issuer carbon lookup")
    parser.add_argument("--tdp-w", type=positive, required=True, help="power of all its accelerators together, watts")
    parser.add_argument("--accelerator", metavar="MODEL", help="product name of its accelerators")
    parser.add_argument("--pue", metavar="DECIMAL", help='power usage effectiveness of its site, such as "1.2"')
    parser.add_argument("--pue-kind", choices=PUE_KINDS, help="how the PUE is known")
    parser.add_argument("--pue-source", metavar="TEXT", help="who says so, for which period")
    parser.add_argument("--simulated", action="store_true", help="a simulator: its figures are marked as such, always")
    add_options(parser)


def _details(arguments: argparse.Namespace) -> NodeDetails:
    return NodeDetails(
        node_id=arguments.node_id,
        tenant_id=arguments.tenant,
        grid_region=arguments.region,
        tdp_w=arguments.tdp_w,
        accelerator_model=arguments.accelerator,
        pue=arguments.pue,
        pue_kind=arguments.pue_kind,
        pue_source=arguments.pue_source,
        claims=profile_of(arguments),
        simulated=arguments.simulated,
    )


async def _invite(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        validity = timedelta(hours=arguments.valid_hours or issuer.settings.invite_ttl_hours)
        now = times.from_microseconds(issuer.now_us)
        await check_tenant(issuer.store, arguments.tenant)
        await check_invited(issuer.store, arguments.node_id)
        # One that may be invited again is bound to its TPM, and enrols with nothing else.
        bound = await issuer.store.nodes.get(arguments.node_id) is not None
        token = await enrolment.invite(issuer.store, _details(arguments), now, secrets.token_bytes, validity)
        await issuer.store.log.append(issuer.now_us, ACTOR, "invite-node", arguments.node_id, "")
        development = " --development" if issuer.settings.development else ""
    expires = times.render_seconds(now + validity)
    return Answer(
        value={"node_id": arguments.node_id, "token": token, "expires": expires, "issuer": issuer.settings.public_url},
        heading=f"Token for {arguments.node_id}, shown this once, valid until {expires}:",
        advice=(
            token,
            "",
            "On the node:",
            f"  green-agent enroll --issuer {issuer.settings.public_url} --token {token}{development}"
            + (" --key tpm:" if bound else ""),
            *(() if bound else ("Where its TPM is to sign (docs/tpm.md), add --key tpm:",)),
        ),
    )


async def _add(arguments: argparse.Namespace) -> Answer:
    jwk = read_public_key(Path(arguments.key))
    async with opened(arguments) as issuer:
        now = times.from_microseconds(issuer.now_us)
        await check_tenant(issuer.store, arguments.tenant)
        await check_new_node(issuer.store, arguments.node_id, enrolment.check_node_key(jwk).thumbprint_uri)
        node = await enrolment.register(issuer.store, _details(arguments), jwk, now)
        await issuer.store.log.append(issuer.now_us, ACTOR, "add-node", node.id, node.key_uri)
    return Answer(value=node_view(node), heading=f"Registered {node.id} with the key {node.key_uri}.")


async def _list(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        found = await issuer.store.nodes.all(arguments.tenant)
    return Answer(value=[node_view(node) for node in found], columns=_COLUMNS)


async def _show(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        node = await issuer.store.nodes.get(arguments.node_id)
        if node is None:
            raise NotFoundError(f"there is no node {arguments.node_id!r}; see green-issuer nodes list")
        last = await issuer.store.windows.last(node.id)
        told = await issuer.store.windows.flags(node.id, limit=_TOLD)
        others: list[Json] = [*await issuer.store.windows.allowed(node.id)]
    facts, chain = node_view(node) | {"other_tenants": others}, chain_view(node, last, told)
    lines = [f"{name}: {cell(value)}" for name, value in facts.items()]
    return Answer(value=facts | {"chain": chain}, advice=(*lines, *chain_lines(chain)))


async def _revoke(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        changed = await issuer.store.nodes.revoke(arguments.node_id)
        if changed:
            await issuer.store.log.append(issuer.now_us, ACTOR, "revoke-node", arguments.node_id, "")
    return Answer(
        value={"node_id": arguments.node_id, "changed": changed},
        heading="The node is revoked; its telemetry is refused from now on."
        if changed
        else "The node was revoked before.",
    )


def read_public_key(path: Path) -> JsonObject:
    """Return the JWK in a file that holds a JWK or a public key in PEM. Raises EnrolmentError."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise EnrolmentError(f"{path} cannot be read: {error.strerror}") from error
    if not raw.lstrip().startswith(b"-----BEGIN"):
        return strict_json.parse_object(raw)
    try:
        key = load_pem_public_key(raw)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise EnrolmentError(f"{path} holds no public key in PEM; a private key stays on the node") from error
    if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
        raise EnrolmentError(f"{path}: a node signs with ECDSA P-256, Ed25519 or RSA-PSS")
    return {**from_cryptography(key).jwk}
