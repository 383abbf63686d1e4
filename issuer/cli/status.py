"""``status close-lists``: what has to be done after a backup was restored."""

from __future__ import annotations

import argparse
from typing import Final

from issuer.cli.arguments import Commands, slug
from issuer.cli.opened import ACTOR, opened
from issuer.cli.output import Answer
from issuer.store.errors import NotFoundError

_DESCRIPTION: Final = """\
After restoring a backup: give out no more indexes of the status lists so far.

A restored database does not know which indexes were given out since the backup. Given out again, one would
belong to two credentials, which would be revoked together. Closed lists stay published, and the next credential
opens a new one. Run it before the service starts; it is safe to run again."""


def register(commands: Commands) -> None:
    """Add the commands of this module."""
    status = commands.group("status", "the status lists", example="green-issuer status close-lists")
    parser = status.add(
        "close-lists",
        _close_lists,
        summary="after restoring a backup: give out no more indexes of the status lists so far",
        example="green-issuer status close-lists",
    )
    parser.add_argument("--issuer", metavar="SLUG", type=slug, help="only this issuer's (default: every issuer's)")
    parser.description = _DESCRIPTION


async def _close_lists(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        slugs = [item.slug for item in await issuer.store.issuers.all()]
        if arguments.issuer is not None and arguments.issuer not in slugs:
            raise NotFoundError(f"there is no issuer {arguments.issuer!r}; see green-issuer issuers list")
        closed = {
            name: await issuer.store.status.close_lists(name, now_us=issuer.now_us)
            for name in slugs
            if arguments.issuer in {None, name}
        }
        for name, count in closed.items():
            await issuer.store.log.append(issuer.now_us, ACTOR, "close-lists", name, str(count))
    return Answer(
        value=[{"issuer": name, "closed": count} for name, count in closed.items()], columns=("issuer", "closed")
    )
