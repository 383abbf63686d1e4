"""``carbon …``: which figure a grid region's credentials will carry, where it comes from, and how the sources are."""

from __future__ import annotations

import argparse
from typing import Final

from issuer.carbon import table
from issuer.cli.arguments import Commands, moment, positive
from issuer.cli.output import Answer
from schemas import decimals

_TIMES: Final = 'a UTC time such as "2026-11-20T12:00:00Z", or a date'


def register(commands: Commands) -> None:
    """Add the commands of this module."""
    carbon = commands.group("carbon", "carbon intensities and their sources", example="green-issuer carbon lookup DEU")
    parser = carbon.add(
        "lookup",
        _lookup,
        summary="show the annual carbon intensity of a grid region; with a time, what would be claimed for it and why",
        example="green-issuer carbon lookup DEU 2026-11-20T12:00:00Z",
    )
    parser.add_argument("region", metavar="REGION", help='such as "CAMX" (eGRID), "DEU" or "DE" (country), "WORLD"')
    parser.add_argument("time", metavar="TIME", nargs="?", type=moment, help=f"start of the period: {_TIMES}")
    parser.add_argument("--end", metavar="TIME", type=moment, help="its end (default: an hour after its start)")
    parser = carbon.add(
        "sources",
        _sources,
        summary="show the sources of grid_file, what each gave last and when it is asked again",
        example="green-issuer carbon sources --check",
    )
    parser.add_argument("--check", action="store_true", help="ask each source once, for the last 24 hours")
    parser = carbon.add(
        "backfill",
        _backfill,
        summary="fetch the slots of a region's sources for a past period; what is there and settled is not asked for",
        example="green-issuer carbon backfill DEU --from 2026-10-01 --to 2026-11-01",
    )
    parser.add_argument("region", metavar="REGION", help="a region that grid_file has a cascade for")
    parser.add_argument("--from", dest="start", metavar="TIME", type=moment, required=True, help=_TIMES)
    parser.add_argument("--to", dest="end", metavar="TIME", type=moment, required=True, help="its end, not included")
    parser.add_argument("--source", metavar="NAME", help="one source alone (default: all of the region's cascade)")
    parser = carbon.add(
        "reissue",
        _reissue,
        summary="supersede provisional credentials whose grid data have settled, as the service does every minute",
        example="green-issuer carbon reissue --dry-run",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be superseded, and change nothing")
    parser.add_argument("--limit", type=positive, help="how many at most (default: all)")


async def _lookup(arguments: argparse.Namespace) -> Answer:
    if arguments.time is None:
        return _annual(arguments.region)
    # Only these need the providers and the store, which take longer to load than a table takes to read.
    from issuer.cli.carbon_lookup import lookup

    return await lookup(arguments)


async def _sources(arguments: argparse.Namespace) -> Answer:
    from issuer.cli.carbon_sources import show

    return await show(arguments)


async def _backfill(arguments: argparse.Namespace) -> Answer:
    from issuer.cli.carbon_backfill import backfill

    return await backfill(arguments)


async def _reissue(arguments: argparse.Namespace) -> Answer:
    from issuer.cli.carbon_reissue import reissue

    return await reissue(arguments)


def _annual(region: str) -> Answer:
    found = table.find(region)
    figure = decimals.render(found.gco2e_per_kwh)
    return Answer(
        value={
            "region": found.region,
            "name": found.name,
            "gco2e_per_kwh": figure,
            "year": found.year,
            "emission_factor_type": found.factor_type,
            "ipcc_characterization_factors": found.characterization_factors,
            "tier": found.tier,
            "source": found.source,
            "licence": found.licence,
        },
        heading=f"{found.region} ({found.name}): {figure} gCO2e/kWh in {found.year}, {found.factor_type}, {found.tier}",
        advice=(f"Source: {found.source} ({found.licence})",),
    )
