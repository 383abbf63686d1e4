"""The options by which an operator states what a node's credentials claim besides energy; the same for several commands."""

from __future__ import annotations

import argparse
from typing import Final

from issuer.claims.profile import NOTHING, Calibration, ClaimsProfile, Embodied, MarketBased
from issuer.cli.arguments import Parser, positive
from issuer.errors import EnrolmentError

_EMBODIED: Final = ("embodied_gco2e", "embodied_lifetime_hours", "embodied_source")
_MARKET: Final = ("market_intensity", "market_instrument", "market_from", "market_until")
_CALIBRATION: Final = ("calibration_percent", "calibration_date", "calibration_reference")


def add_options(parser: Parser) -> None:
    """Add the options to a command that describes a node."""
    group = parser.add_argument_group(
        "what it claims besides energy and location-based emissions (docs/measurement.md)"
    )
    group.add_argument("--pue-uncertainty", metavar="PERCENT", help="standard uncertainty (k = 1) of the PUE")
    group.add_argument(
        "--embodied-gco2e", metavar="GRAMS", help="embodied emissions of all hardware of the node, g CO2e"
    )
    group.add_argument(
        "--embodied-lifetime-hours", type=positive, metavar="HOURS", help="its life; four years are 35064"
    )
    group.add_argument("--embodied-source", metavar="TEXT", help="whose figure that is")
    group.add_argument("--market-intensity", metavar="DECIMAL", help="market-based factor, g CO2e per kWh")
    group.add_argument("--market-instrument", metavar="IRI", help="the contract, certificate or residual mix it is of")
    group.add_argument("--market-from", metavar="TIME", help='it is used from here on, such as "2026-11-01T00:00:00Z"')
    group.add_argument("--market-until", metavar="TIME", help="it is used until then")
    group.add_argument(
        "--calibration-percent", metavar="PERCENT", help="standard uncertainty (k = 1) of its meter's gain"
    )
    group.add_argument("--calibration-date", metavar="DAY", help='when it was found, such as "2026-03-31"')
    group.add_argument("--calibration-reference", metavar="TEXT", help="by which meter, and where the report is")


def add_removals(parser: Parser) -> None:
    """Add the options that take something away, to a command that changes a node."""
    for name, what in (
        ("embodied", "embodied emissions"),
        ("market", "market-based factor"),
        ("calibration", "calibration"),
    ):
        parser.add_argument(f"--no-{name}", action="store_true", help=f"claim no {what} any more")


def profile_of(arguments: argparse.Namespace, known: ClaimsProfile | None = None) -> ClaimsProfile | None:
    """Return what the options say, over what was known; None where nothing is said and nothing was known.

    What belongs together is given together, and replaces all of what it was. Raises EnrolmentError.
    """
    base = known or NOTHING
    embodied, market, calibration = base.embodied, base.market_based, base.calibration
    if _given(arguments, _EMBODIED, "no_embodied"):
        embodied = Embodied(
            total_gco2e=arguments.embodied_gco2e,
            lifetime_hours=arguments.embodied_lifetime_hours,
            source=arguments.embodied_source,
        )
    if _given(arguments, _MARKET, "no_market"):
        market = MarketBased(
            gco2e_per_kwh=arguments.market_intensity,
            instrument=arguments.market_instrument,
            valid_from=arguments.market_from,
            valid_until=arguments.market_until,
        )
    if _given(arguments, _CALIBRATION, "no_calibration"):
        calibration = Calibration(
            standard_percent=arguments.calibration_percent,
            date=arguments.calibration_date,
            reference=arguments.calibration_reference,
        )
    profile = ClaimsProfile(
        embodied=None if _removed(arguments, "no_embodied") else embodied,
        market_based=None if _removed(arguments, "no_market") else market,
        calibration=None if _removed(arguments, "no_calibration") else calibration,
        pue_standard_percent=arguments.pue_uncertainty or base.pue_standard_percent,
    )
    return None if profile == NOTHING else profile


def _removed(arguments: argparse.Namespace, name: str) -> bool:
    return bool(getattr(arguments, name, False))


def _given(arguments: argparse.Namespace, names: tuple[str, ...], removal: str) -> bool:
    """Return whether all of ``names`` are given; raise EnrolmentError where only some are, or where they are removed too."""
    missing = [name for name in names if getattr(arguments, name) is None]
    if len(missing) == len(names):
        return False
    options = ", ".join("--" + name.replace("_", "-") for name in missing)
    if missing:
        raise EnrolmentError(f"{options}: missing, since the others of them stand there")
    if _removed(arguments, removal):
        raise EnrolmentError(f"--{removal.replace('_', '-')}: it cannot be taken away and given at once")
    return True
