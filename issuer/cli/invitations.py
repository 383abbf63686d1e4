"""``nodes invitations``: the invite tokens that still open; the tokens themselves are kept nowhere."""

from __future__ import annotations

import argparse

from issuer.cli.arguments import Commands, slug
from issuer.cli.opened import ACTOR, opened
from issuer.cli.output import Answer
from issuer.store.errors import NotFoundError
from issuer.store.records import Invitation
from schemas import times
from schemas.strict_json import JsonObject


def register(nodes: Commands) -> None:
    """Add the commands of this module below ``nodes``."""
    invitations = nodes.group(
        "invitations", "the invite tokens that still open", example="green-issuer nodes invitations list"
    )
    parser = invitations.add(
        "list",
        _list,
        summary="list who is invited; the tokens themselves are shown only when they are made",
        example="green-issuer nodes invitations list --tenant acme",
    )
    parser.add_argument("--tenant", type=slug, help="only this tenant's")
    parser = invitations.add(
        "cancel",
        _cancel,
        summary="let the open tokens of a node open no more",
        example="green-issuer nodes invitations cancel node-7",
    )
    parser.add_argument("node_id", metavar="NODE")


async def _list(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        found = await issuer.store.enrolments.open(issuer.now_us, arguments.tenant)
    return Answer(
        value=[_shown(invitation) for invitation in found],
        columns=("node_id", "tenant_id", "grid_region", "tdp_w", "simulated", "created", "expires"),
    )


async def _cancel(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        count = await issuer.store.enrolments.cancel(arguments.node_id, issuer.now_us)
        if count == 0:
            raise NotFoundError(
                f"there is no open invitation of {arguments.node_id!r}; see green-issuer nodes invitations list"
            )
        await issuer.store.log.append(issuer.now_us, ACTOR, "cancel-invitation", arguments.node_id, str(count))
    return Answer(
        value={"node_id": arguments.node_id, "cancelled": count},
        heading=f"Cancelled {count} of {arguments.node_id}: none of its tokens so far opens any more.",
    )


def _shown(invitation: Invitation) -> JsonObject:
    return {
        "node_id": invitation.node_id,
        "tenant_id": invitation.tenant_id,
        "grid_region": invitation.grid_region,
        "tdp_w": invitation.tdp_w,
        "simulated": invitation.simulated,
        "created": times.render_seconds(times.from_microseconds(invitation.created_us)),
        "expires": times.render_seconds(times.from_microseconds(invitation.expires_us)),
    }
