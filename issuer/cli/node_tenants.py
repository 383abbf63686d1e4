"""``nodes tenants``: for whom besides its own tenant a node's records may be."""

from __future__ import annotations

import argparse

from issuer.cli.arguments import Commands, slug
from issuer.cli.known import check_tenant
from issuer.cli.opened import ACTOR, Opened, opened
from issuer.cli.output import Answer
from issuer.store.errors import ConflictError, NotFoundError


def register(nodes: Commands) -> None:
    """Add the commands of this module below ``nodes``."""
    tenants = nodes.group(
        "tenants",
        "for whom besides its own tenant a node may work",
        example="green-issuer nodes tenants allow node-7 umbra",
    )
    for name, run, summary in (
        ("allow", _allow, "let records of a node's windows be another tenant's, named by its id or subject"),
        ("disallow", _disallow, "let them be so no more; those that were stay"),
    ):
        parser = tenants.add(name, run, summary=summary, example=f"green-issuer nodes tenants {name} node-7 umbra")
        parser.add_argument("node_id", metavar="NODE")
        parser.add_argument("tenant", type=slug, metavar="TENANT")


async def _allow(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        await check_tenant(issuer.store, arguments.tenant)
        await _check_issuer(issuer, arguments)
        changed = await issuer.store.windows.allow(arguments.node_id, arguments.tenant)
        if changed:
            await issuer.store.log.append(issuer.now_us, ACTOR, "allow-tenant", arguments.node_id, arguments.tenant)
    return Answer(
        value={"node_id": arguments.node_id, "tenant_id": arguments.tenant, "changed": changed},
        heading=f"Records of {arguments.node_id} may be {arguments.tenant}'s.",
    )


async def _disallow(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        changed = await issuer.store.windows.disallow(arguments.node_id, arguments.tenant)
        if changed:
            await issuer.store.log.append(issuer.now_us, ACTOR, "disallow-tenant", arguments.node_id, arguments.tenant)
    return Answer(
        value={"node_id": arguments.node_id, "tenant_id": arguments.tenant, "changed": changed},
        heading=f"Records of {arguments.node_id} are no more {arguments.tenant}'s.",
    )


async def _check_issuer(issuer: Opened, arguments: argparse.Namespace) -> None:
    """Raise unless the node is there and both its tenant and the other are one issuer's, which signs both credentials."""
    node = await issuer.store.nodes.get(arguments.node_id)
    if node is None:
        raise NotFoundError(f"there is no node {arguments.node_id!r}; see green-issuer nodes list")
    own, other = await issuer.store.tenants.get(node.tenant_id), await issuer.store.tenants.get(arguments.tenant)
    if own is None or other is None or own.issuer_slug != other.issuer_slug:
        raise ConflictError("the tenant belongs to another issuer than the node's; its credentials would not agree")
