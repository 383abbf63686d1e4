"""Annual average carbon intensity by grid region, from the tables bundled in ``data/``.

Sources, licences and how far each has been checked stand in ``data/NOTICE.txt``. A region is named
by an eGRID acronym ("CAMX"), an ISO 3166-1 alpha-3 or alpha-2 code ("DEU", "DE"), or "WORLD"; the
credential carries the code that the source itself uses. "US" is a code of eGRID's own (the national
average, direct emissions), so it is read as that; the life-cycle figure of the country is "USA".
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from issuer.errors import UnknownRegionError
from schemas import decimals

TABLES: Final = ("egrid2023.csv", "ember2025.csv")
"""The files of ``data/``, in the order in which a code is looked up."""

GRANULARITY: Final = "P1Y"
"""ISO 8601 duration of one figure of these tables."""

Tier = Literal["subregion-annual", "country-annual", "world-annual"]

# ISO 3166-1 reserves UK, exceptionally, for the country whose code is GB.
_RESERVED: Final = {"UK": "GB"}

_SUGGESTIONS: Final = 4
_SHOWN_LENGTH: Final = 40


class Intensity(msgspec.Struct, frozen=True, kw_only=True):
    """One annual factor: ``gco2e_per_kwh`` is exact, with at most 3 decimals; ``year`` is the data's."""

    region: str
    name: str
    year: int
    gco2e_per_kwh: Decimal
    factor_type: Literal["direct", "lifecycle"]
    characterization_factors: Literal["AR4", "AR5", "AR6"] | None
    tier: Tier
    source: str
    licence: str


def find(region: str) -> Intensity:
    """Return the factor of a grid region. Raises UnknownRegionError, with near matches, for any other.

    Nothing falls back silently: whoever wants the world's average registers "WORLD".
    """
    code = region.upper()
    factor = _by_code().get(_RESERVED.get(code, code)) if region.isascii() else None
    if factor is None:
        raise UnknownRegionError(_refusal(region))
    return factor


def rows() -> tuple[Intensity, ...]:
    """Return every factor of the bundled tables, in the order of the files."""
    return tuple(factor for factor, _alias in _read())


def _refusal(region: str) -> str:
    shown = region[:_SHOWN_LENGTH]
    near = near_matches(region)
    hint = "did you mean " + ", ".join(f"{factor.region} ({factor.name})" for factor in near) + "?" if near else ""
    codes = 'use an eGRID subregion such as "CAMX", a country such as "DEU" or "DE", or "WORLD"'
    return f"no carbon intensity is known for the grid region {shown!r}: " + "; ".join(filter(None, (hint, codes)))


def near_matches(region: str) -> tuple[Intensity, ...]:
    """Return at most four factors whose code or name resembles ``region``, the nearest first."""
    wanted = region[:_SHOWN_LENGTH].casefold()
    spellings = {code.casefold(): factor for code, factor in _by_code().items()}
    spellings |= {factor.name.casefold(): factor for factor in rows()}
    close = difflib.get_close_matches(wanted, spellings, n=2 * _SUGGESTIONS)
    # A country typed by a part of its name ("korea") resembles it too little for the ratio above.
    partly = [name for name in spellings if len(wanted) > 3 and wanted in name]  # noqa: PLR2004 - codes are shorter
    unique = {spellings[text].region: spellings[text] for text in [*close, *partly]}
    return tuple(unique.values())[:_SUGGESTIONS]


@cache
def _by_code() -> Mapping[str, Intensity]:
    read = tuple(_read())
    codes: dict[str, Intensity] = {}
    for factor, _alias in read:
        codes.setdefault(factor.region, factor)
    for factor, alias in read:
        if alias:
            codes.setdefault(alias, factor)
    return MappingProxyType(codes)


def _read() -> Iterator[tuple[Intensity, str]]:
    for name in TABLES:
        text = resources.files("issuer.carbon").joinpath("data", name).read_text(encoding="utf-8")
        for row in csv.DictReader(text.splitlines()):
            yield _factor(row), row["alpha_2"]


def _factor(row: dict[str, str]) -> Intensity:
    return msgspec.convert(
        {
            "region": row["region"],
            "name": row["name"],
            "year": int(row["year"]),
            "gco2e_per_kwh": decimals.parse(row["gco2e_per_kwh"]),
            "factor_type": row["boundary"],
            "characterization_factors": row["gwp"] or None,
            "tier": row["tier"],
            "source": f"{row['source']} {row['edition']}",
            "licence": row["licence"],
        },
        Intensity,
    )
