"""Zones of ENTSO-E: short names and their Energy Identification Codes, whose last character is a check. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from issuer.carbon.providers.errors import UnknownZoneError
from schemas.lexical import shown
from schemas.spelling import near

ZONES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "AT": "10YAT-APG------L",
        "BE": "10YBE----------2",
        "BG": "10YCA-BULGARIA-R",
        "CH": "10YCH-SWISSGRIDZ",
        "CZ": "10YCZ-CEPS-----N",
        "DE": "10Y1001A1001A83F",
        "DE-LU": "10Y1001A1001A82H",
        "DK1": "10YDK-1--------W",
        "DK2": "10YDK-2--------M",
        "EE": "10Y1001A1001A39I",
        "ES": "10YES-REE------0",
        "FI": "10YFI-1--------U",
        "FR": "10YFR-RTE------C",
        "GR": "10YGR-HTSO-----Y",
        "HR": "10YHR-HEP------M",
        "HU": "10YHU-MAVIR----U",
        "IE-SEM": "10Y1001A1001A59C",
        "IT": "10YIT-GRTN-----B",
        "IT-NORTH": "10Y1001A1001A73I",
        "LT": "10YLT-1001A0008Q",
        "LV": "10YLV-1001A00074",
        "NL": "10YNL----------L",
        "NO1": "10YNO-1--------2",
        "NO2": "10YNO-2--------T",
        "NO3": "10YNO-3--------J",
        "NO4": "10YNO-4--------9",
        "NO5": "10Y1001A1001A48H",
        "PL": "10YPL-AREA-----S",
        "PT": "10YPT-REN------W",
        "RO": "10YRO-TEL------P",
        "SE1": "10Y1001A1001A44P",
        "SE2": "10Y1001A1001A45N",
        "SE3": "10Y1001A1001A46L",
        "SE4": "10Y1001A1001A47J",
        "SI": "10YSI-ELES-----O",
        "SK": "10YSK-SEPS-----K",
    }
)
"""Bidding zones and countries by a short name. Any other zone is named by its code (ENTSO-E, area list)."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-"
_CODE: Final = re.compile("[0-9]{2}Y[0-9A-Z-]{12}[0-9A-Z]", re.ASCII)


def code_of(zone: str) -> str:
    """Return the code of a zone, named or already one. Raises UnknownZoneError; a digit that was mistyped is seen."""
    if zone in ZONES:
        return ZONES[zone]
    if not _CODE.fullmatch(zone):
        hint = near(zone, ZONES) or "; use a name such as DE-LU, or its code such as 10Y1001A1001A82H"
        raise UnknownZoneError(f"{shown(zone)} is no zone of ENTSO-E that has a name here{hint}")
    if zone[-1] != check_character(zone[:-1]):
        raise UnknownZoneError(f"{shown(zone)} is not the code of any zone: its check character does not fit")
    return zone


def check_character(code: str) -> str:
    """Return the 16th character of a code from its first 15 (ENTSO-E, EIC reference manual)."""
    weighted = sum((16 - index) * _ALPHABET.index(character) for index, character in enumerate(code))
    return _ALPHABET[36 - (weighted - 1) % 37]
