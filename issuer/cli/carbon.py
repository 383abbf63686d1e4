"""``carbon lookup``: which figure a grid region's credentials will carry, and where it comes from."""

from __future__ import annotations

import argparse

from issuer.carbon import table
from issuer.cli.arguments import Commands
from issuer.cli.output import Answer
from schemas import decimals


def register(commands: Commands) -> None:
    """Add the commands of this module."""
    carbon = commands.group("carbon", "the bundled carbon intensities", example="green-issuer carbon lookup DEU")
    parser = carbon.add(
        "lookup",
        _lookup,
        summary="show the annual carbon intensity of a grid region and its source",
        example="green-issuer carbon lookup DEU",
    )
    parser.add_argument("region", metavar="REGION", help='such as "CAMX" (eGRID), "DEU" or "DE" (country), "WORLD"')


def _lookup(arguments: argparse.Namespace) -> Answer:
    found = table.find(arguments.region)
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
