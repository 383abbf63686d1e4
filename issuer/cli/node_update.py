"""``nodes update``: what a node claims from now on; what was issued stays as it is."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from issuer.claims.profile import ClaimsProfile
from issuer.cli.arguments import Commands, positive
from issuer.cli.node_claims import add_options, add_removals, profile_of
from issuer.cli.opened import ACTOR, opened
from issuer.cli.output import Answer
from issuer.errors import EnrolmentError
from issuer.node_details import PUE_KINDS, NodeDetails, checked, details_of
from issuer.node_view import node_view
from issuer.store.errors import NotFoundError
from issuer.store.records import NodeRecord


def register(nodes: Commands) -> None:
    """Add the command of this module below ``nodes``."""
    parser = nodes.add(
        "update",
        _update,
        summary="change what a node claims, for records and windows from then on; what was issued stays",
        example="green-issuer nodes update node-7 --pue 1.18 --pue-kind metered --pue-source 'operator, October 2026'",
    )
    parser.add_argument("node_id", metavar="NODE")
    parser.add_argument("--region", help="grid region; see green-issuer carbon lookup")
    parser.add_argument("--tdp-w", type=positive, help="power of all its accelerators together, watts")
    parser.add_argument("--accelerator", metavar="MODEL", help="product name of its accelerators")
    parser.add_argument("--pue", metavar="DECIMAL", help="power usage effectiveness; its kind and source go with it")
    parser.add_argument("--pue-kind", choices=PUE_KINDS, help="how the PUE is known")
    parser.add_argument("--pue-source", metavar="TEXT", help="who says so, for which period")
    parser.add_argument("--no-pue", action="store_true", help="claim no share of the building any more")
    add_options(parser)
    add_removals(parser)


async def _update(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        changed = await issuer.store.nodes.change(
            arguments.node_id, lambda node: _columns(node, arguments), actor=ACTOR, now_us=issuer.now_us
        )
        node = await issuer.store.nodes.get(arguments.node_id)
    if node is None:
        raise NotFoundError(f"there is no node {arguments.node_id!r}; see green-issuer nodes list")
    names = ", ".join(changed) or "nothing"
    return Answer(
        value=node_view(node),
        heading=f"Changed of {node.id}: {names}. Records and windows that come from now on claim it.",
    )


def _columns(node: NodeRecord, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the node's columns after the change. Raises EnrolmentError for what cannot be."""
    before = details_of(node)
    given = {
        "grid_region": arguments.region,
        "tdp_w": arguments.tdp_w,
        "accelerator_model": arguments.accelerator,
    }
    after = msgspec.structs.replace(
        before,
        **{name: value for name, value in given.items() if value is not None},
        **_pue(arguments),
        claims=profile_of(arguments, before.claims),
    )
    columns = checked(_without_pue(after) if arguments.no_pue else after).columns()
    del columns["node_id"], columns["tenant_id"], columns["simulated"]
    return columns


def _pue(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the three of a PUE, which replace all of what was there: an old source says nothing of a new figure."""
    if arguments.pue is None and arguments.pue_kind is None and arguments.pue_source is None:
        return {}
    if arguments.no_pue:
        raise EnrolmentError("--no-pue: it cannot be taken away and given at once")
    if arguments.pue is None:
        raise EnrolmentError("--pue: missing, since its kind or source stands there")
    return {"pue": arguments.pue, "pue_kind": arguments.pue_kind, "pue_source": arguments.pue_source}


def _without_pue(details: NodeDetails) -> NodeDetails:
    claims = details.claims
    if claims is not None:
        claims = msgspec.structs.replace(claims, pue_standard_percent=None)
        claims = None if claims == ClaimsProfile() else claims
    return msgspec.structs.replace(details, pue=None, pue_kind=None, pue_source=None, claims=claims)
