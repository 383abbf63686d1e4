"""``nodes accept-gap``: windows of a node are lost for good, or the clocks of one disagree; the next is to be taken."""

from __future__ import annotations

import argparse

from issuer.cli.arguments import Commands, shown_name
from issuer.cli.opened import ACTOR, opened
from issuer.cli.output import Answer
from issuer.windows.gap import accept


def register(nodes: Commands) -> None:
    """Add the command of this module below ``nodes``."""
    parser = nodes.add(
        "accept-gap",
        _accept_gap,
        summary="let a node's chain of windows go on, once, behind windows that are lost for good or past clocks that "
        "disagree (CLOCK_DRIFT); it stays told",
        example="green-issuer nodes accept-gap node-7 --reason 'the disk failed on 20 November'",
    )
    parser.add_argument("node_id", metavar="NODE")
    parser.add_argument("--reason", type=shown_name, help="for the audit log, and for whoever reads of the gap")


async def _accept_gap(arguments: argparse.Namespace) -> Answer:
    reason = arguments.reason or ""
    async with opened(arguments) as issuer:
        gap = await issuer.store.nodes.accept_gap(
            arguments.node_id,
            lambda node: accept(node, reason, issuer.now_us),
            actor=ACTOR,
            reason=reason,
            now_us=issuer.now_us,
        )
    return Answer(
        value={
            "node_id": arguments.node_id,
            "first_missing": None if gap.drift else gap.first,
            "last_missing": None if gap.drift else gap.last,
            "last_window": gap.last_window,
            "next_window": gap.next_window,
            "reason": arguments.reason,
        },
        heading=(
            f"Window {gap.first} of {arguments.node_id} is taken at the node's next try, though its clocks disagree."
            if gap.drift
            else f"Windows {gap.first} to {gap.last} of {arguments.node_id} are given up; the node's next try is taken."
        ),
        advice=("That is told of the first window taken then: green-issuer nodes show " + arguments.node_id,),
    )
