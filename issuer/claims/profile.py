"""What an operator states of a node for its claims, besides PUE and region: checked when it is set, strict when it is read.

It stands with the node as one JSON text. A change counts for later records and windows; what was issued stays, and single
inferences take it from their window's credential.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Final, cast

import msgspec
from msgspec import Struct

from issuer.errors import EnrolmentError
from schemas import decimals, times
from schemas.errors import FormatError
from schemas.lexical import IRI, STRING, shown
from schemas.plain_text import why_not_plain
from schemas.strict_json import JsonObject

MAX_EMBODIED_G: Final = Decimal(10**9)
"""A thousand tonnes behind one node id is a mistake of units."""

MAX_LIFETIME_HOURS: Final = 30 * 8_766
MAX_INTENSITY: Final = Decimal(2000)
"""g CO2e per kWh that a verifier still believes."""

_INTENSITY_DECIMALS: Final = 3
_PERCENT_DECIMALS: Final = 2
_MAX_PERCENT: Final = Decimal(100)


class Embodied(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Embodied emissions in g CO2e of all hardware behind the node's id, its life in hours, and whose figure it is."""

    total_gco2e: str
    lifetime_hours: int
    source: str


class MarketBased(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A market-based factor in g/kWh (a contract's, a certificate's or the residual mix's), its IRI, and when it holds.

    ``valid_from`` and ``valid_until``: ``YYYY-MM-DDThh:mm:ssZ``; it is used for periods that lie wholly within.
    """

    gco2e_per_kwh: str
    instrument: str
    valid_from: str
    valid_until: str


class Calibration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The meter held against a better one: standard uncertainty (k = 1) in percent, the day (``YYYY-MM-DD``), the report."""

    standard_percent: str
    date: str
    reference: str


class ClaimsProfile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """All of it; what is absent is not claimed, or has its default. ``pue_standard_percent``: of the PUE, at k = 1."""

    embodied: Embodied | None = None
    market_based: MarketBased | None = None
    calibration: Calibration | None = None
    pue_standard_percent: str | None = None


NOTHING: Final = ClaimsProfile()

# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
_DECODER: Final = msgspec.json.Decoder(ClaimsProfile)


@lru_cache(maxsize=1024)
def read_profile(text: str | None) -> ClaimsProfile:
    """Return the profile of a node's stored text; NOTHING where there is none."""
    return NOTHING if text is None else _DECODER.decode(text)


def stored_text(profile: ClaimsProfile | None) -> str | None:
    """Return the text that is stored of a profile; None where it says nothing."""
    return None if profile is None or profile == NOTHING else msgspec.json.encode(profile).decode()


def profile_view(text: str | None) -> JsonObject | None:
    """Return a stored profile as it is shown and registered; None where there is none."""
    return None if text is None else cast("JsonObject", msgspec.to_builtins(read_profile(text)))


def check_profile(profile: ClaimsProfile, *, has_pue: bool) -> None:
    """Raise EnrolmentError, naming the first member that cannot be, and what it should be."""
    if profile.embodied is not None:
        _check_embodied(profile.embodied)
    if profile.market_based is not None:
        _check_market(profile.market_based)
    if profile.calibration is not None:
        _check_calibration(profile.calibration)
    if profile.pue_standard_percent is not None:
        _percent(profile.pue_standard_percent, "pue_standard_percent")
        if not has_pue:
            raise EnrolmentError("pue: missing, since pue_standard_percent stands there")


def calibrated_percent(profile: ClaimsProfile, end: date) -> Decimal | None:
    """Return the calibrated meter's standard uncertainty, for a period that ends on ``end``; None before it was calibrated."""
    calibration = profile.calibration
    if calibration is None or end < date.fromisoformat(calibration.date):
        return None
    return decimals.parse(calibration.standard_percent)


def _check_embodied(embodied: Embodied) -> None:
    total = _decimal(embodied.total_gco2e, "embodied.total_gco2e")
    if total > MAX_EMBODIED_G:
        raise EnrolmentError(f"embodied.total_gco2e: {embodied.total_gco2e} g; at most {MAX_EMBODIED_G}, in g CO2e")
    if not 0 < embodied.lifetime_hours <= MAX_LIFETIME_HOURS:
        raise EnrolmentError(f"embodied.lifetime_hours: 1 to {MAX_LIFETIME_HOURS} are taken; four years are 35064")
    _text(embodied.source, "embodied.source")


def _check_market(market: MarketBased) -> None:
    value = _decimal(market.gco2e_per_kwh, "market_based.gco2e_per_kwh", _INTENSITY_DECIMALS)
    if value > MAX_INTENSITY:
        raise EnrolmentError(f"market_based.gco2e_per_kwh: {market.gco2e_per_kwh}; at most {MAX_INTENSITY} g/kWh")
    if not IRI.fits(market.instrument):
        raise EnrolmentError(
            "market_based.instrument: an absolute IRI of the contract, certificate or residual mix is required, such as "
            '"https://registry.example/eac/2026-11/8841"'
        )
    try:
        first, last = times.parse_seconds(market.valid_from), times.parse_seconds(market.valid_until)
    except FormatError as error:
        raise EnrolmentError(f"market_based.valid_from, valid_until: {error.detail}") from error
    if first >= last:
        raise EnrolmentError("market_based.valid_until: it has to be later than valid_from")


def _check_calibration(calibration: Calibration) -> None:
    _percent(calibration.standard_percent, "calibration.standard_percent")
    if not _is_day(calibration.date):
        raise EnrolmentError(f'calibration.date: {shown(calibration.date)} is no day such as "2026-03-31"')
    _text(calibration.reference, "calibration.reference")


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _percent(text: str, name: str) -> Decimal:
    value = _decimal(text, name, _PERCENT_DECIMALS)
    if not 0 < value <= _MAX_PERCENT:
        raise EnrolmentError(f"{name}: {text}; a standard uncertainty (k = 1) is more than 0 and at most 100 %")
    return value


def _decimal(text: str, name: str, places: int = 18) -> Decimal:
    try:
        value = decimals.parse(text)
    except FormatError as error:
        raise EnrolmentError(f"{name}: {error.detail}") from error
    if value != decimals.round_half_even(value, places):
        raise EnrolmentError(f"{name}: {shown(text)} has more than {places} decimals")
    return value


def _text(text: str, name: str) -> None:
    try:
        STRING.check(text, name)
    except FormatError as error:
        raise EnrolmentError(error.detail) from error
    reason = why_not_plain(text)
    if reason is not None:
        raise EnrolmentError(f"{name}: {shown(text)}: {reason}")
