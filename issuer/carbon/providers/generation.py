"""ENTSO-E's document of actual generation per production type (A75): what each type generated in each slot. Pure.

Market document "Generation Load", IEC 62325-451-6. Power in MW stands at positions of a resolution. With curve A01
every position is there, and one that is missing is not known; with A03 a position that is left out repeats the one
before it. A series with an out-domain is consumption (pumps, own use), and no generation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from issuer.carbon.providers.errors import NoGridDataError, ProviderRefusedError
from issuer.carbon.providers.figures import Figure
from issuer.carbon.providers.production_types import STORAGE, factor
from issuer.carbon.providers.protocol import FactorType
from issuer.carbon.providers.reply import microseconds, number
from issuer.carbon.providers.xml_tree import Element, parse
from schemas import decimals
from schemas.grid_data import INTENSITY_DECIMALS
from schemas.lexical import shown

NAME: Final = "entsoe"

_NAMESPACE: Final = "urn:iec62325.351:tc57wg16:451-6:generationloaddocument:"
_ACKNOWLEDGEMENT: Final = "Acknowledgement_MarketDocument"
_RESOLUTIONS_US: Final = {"PT15M": 900_000_000, "PT30M": 1_800_000_000, "PT60M": 3_600_000_000, "PT1H": 3_600_000_000}
_KIND: Final = re.compile("[A-Z][0-9]{2}", re.ASCII)
_QUANTITY: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
_MAX_MW: Final = 1_000_000
_MAX_POSITIONS: Final = 10_000
_POSITION: Final = re.compile("[1-9][0-9]{0,4}", re.ASCII)
_NO_DATA: Final = re.compile("no matching data", re.IGNORECASE)

_QUARTER_US: Final = 900_000_000

Generation = dict[str, dict[int, Decimal]]
"""MW by production type, and by the start in µs of each quarter of an hour that is known."""


def read(raw: bytes, zone_code: str, longest_us: int) -> Generation:
    """Return the generation per type of a document for the zone ``zone_code`` (EIC), storage left out.

    Raises NoGridDataError where the platform has none, ProviderRefusedError for anything but what was asked for: in
    a resolution coarser than ``longest_us`` too.
    """
    root = parse(NAME, raw)
    if root.name == _ACKNOWLEDGEMENT:
        raise _refusal(root)
    if root.name != "GL_MarketDocument" or not root.namespace.startswith(_NAMESPACE):
        raise ProviderRefusedError(f"{NAME} answers with {shown(root.name)}, not with generation per type")
    if (root.value("type"), root.value("process.processType")) != ("A75", "A16"):
        raise ProviderRefusedError(f"{NAME} answers with another document than realised generation per type (A75, A16)")
    found: Generation = {}
    for series in root.all("TimeSeries"):
        # Pumps, and what power plants use themselves.
        if series.find("outBiddingZone_Domain.mRID") is not None:
            continue
        kind = _checked_kind(series, zone_code)
        if kind in STORAGE:
            continue
        quarters = found.setdefault(kind, {})
        for period in series.all("Period"):
            for start_us, power_mw in _quarters(period, series.value("curveType"), longest_us):
                if start_us in quarters:
                    raise ProviderRefusedError(f"{NAME} answers with two figures of {kind} for the same time")
                quarters[start_us] = power_mw
    return found


def figures(generation: Generation, factor_type: FactorType, length_us: int) -> Iterator[Figure]:
    """Yield the intensity of each slot of ``length_us``: sum(generation x factor) / sum(generation), 3 decimals.

    A slot that lacks a type which others of the document have is a hole: without its nuclear or its coal, a grid would
    look like another one.
    """
    known = {start_us - start_us % length_us for quarters in generation.values() for start_us in quarters}
    for start_us in sorted(known):
        times_us = range(start_us, start_us + length_us, _QUARTER_US)
        missing = sorted(
            kind for kind, quarters in generation.items() if any(time_us not in quarters for time_us in times_us)
        )
        if missing:
            reason = f"no whole figure for the production types {', '.join(missing[:6])}"
            yield Figure(start_us=start_us, gco2e_per_kwh=None, reason=reason)
        else:
            powers_mw = {kind: _sum(quarters[time_us] for time_us in times_us) for kind, quarters in generation.items()}
            yield _mean(start_us, powers_mw, factor_type)


def _mean(start_us: int, powers_mw: dict[str, Decimal], factor_type: FactorType) -> Figure:
    total_mw = _sum(powers_mw.values())
    if not total_mw:
        return Figure(start_us=start_us, gco2e_per_kwh=None, reason="nothing was generated, so there is no mean")
    emitted = _sum(decimals.multiply(power_mw, factor(kind, factor_type)) for kind, power_mw in powers_mw.items())
    return Figure(start_us=start_us, gco2e_per_kwh=decimals.divide(emitted, total_mw, INTENSITY_DECIMALS))


def _sum(values: Iterable[Decimal]) -> Decimal:
    return decimals.add(*values)


def _checked_kind(series: Element, zone_code: str) -> str:
    zone = series.value("inBiddingZone_Domain.mRID")
    if zone != zone_code:
        raise ProviderRefusedError(f"{NAME} answers for the zone {shown(zone)}, and {zone_code} was asked for")
    unit = series.value("quantity_Measure_Unit.name")
    if unit != "MAW":
        raise ProviderRefusedError(f"{NAME} answers in {shown(unit)}; only MAW (megawatts) is read")
    kind = series.value("MktPSRType", "psrType")
    if not _KIND.fullmatch(kind):
        raise ProviderRefusedError(f"{NAME} answers with {shown(kind)}, which is no production type")
    return kind


def _quarters(period: Element, curve: str, longest_us: int) -> Iterator[tuple[int, Decimal]]:
    """Yield the start and the MW of each known quarter of an hour in a period."""
    start_us = microseconds(NAME, period.value("timeInterval", "start"))
    end_us = microseconds(NAME, period.value("timeInterval", "end"))
    resolution = period.value("resolution")
    length_us = _RESOLUTIONS_US.get(resolution)
    if length_us is None or length_us > longest_us:
        raise ProviderRefusedError(
            f"{NAME} answers in the resolution {shown(resolution)}, which is not read, or coarser than the granularity set"
        )
    count = (end_us - start_us) // length_us
    if start_us % length_us or not 0 < count <= _MAX_POSITIONS or start_us + count * length_us != end_us:
        raise ProviderRefusedError(f"{NAME} answers with a period that its resolution does not divide")
    for position, power_mw in enumerate(_powers(period, curve, count)):
        if power_mw is not None:
            first_us = start_us + position * length_us
            yield from ((time_us, power_mw) for time_us in range(first_us, first_us + length_us, _QUARTER_US))


def _powers(period: Element, curve: str, count: int) -> list[Decimal | None]:
    """Return the MW at each of ``count`` positions, None where they are not known."""
    if curve not in {"A01", "A03"}:
        raise ProviderRefusedError(f"{NAME} answers with the curve {shown(curve)}; A01 and A03 are read")
    given: dict[int, Decimal | None] = {}
    for point in period.all("Point"):
        text = point.value("position")
        position = int(text) - 1 if _POSITION.fullmatch(text) else count
        if position >= count or position in given:
            raise ProviderRefusedError(f"{NAME} answers with the position {shown(text)}, twice or beyond its period")
        given[position] = _power_mw(point.value("quantity"))
    powers: list[Decimal | None] = []
    for position in range(count):
        # What A03 leaves out is what stood before; the first position cannot be left out.
        before = powers[-1] if curve == "A03" and powers else None
        powers.append(given.get(position, before))
    return powers


def _power_mw(text: str) -> Decimal | None:
    """Return a quantity, or None where it is none that a zone could generate."""
    value = number(text) if _QUANTITY.fullmatch(text) else None
    return value if value is not None and value.is_finite() and value <= _MAX_MW else None


def _refusal(root: Element) -> NoGridDataError | ProviderRefusedError:
    """Return the error of an acknowledgement. Reason 999 stands for most refusals: its text tells them apart."""
    text = root.value("Reason", "text")
    if root.value("Reason", "code") == "999" and _NO_DATA.search(text):
        return NoGridDataError(f"{NAME} has no generation per type for this zone and period")
    return ProviderRefusedError(f"{NAME} does not take the request: see the zone, the period and the token")
