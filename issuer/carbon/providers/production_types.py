"""Grams per kilowatt-hour by ENTSO-E production type: which fuel stands for it, and that fuel's factor. Pure.

Factors and their publications stand in ``issuer/carbon/data/lifecycle_factors.csv``.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

from issuer.carbon.providers.protocol import FactorType
from schemas import decimals

EDITION: Final = "IPCC AR5 WG3 (2014) and others"

STORAGE: Final = frozenset({"B10", "B25"})
"""Pumped hydro and other storage give back what others generated: left out, they count at the mean of the rest."""

FUELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "B01": "biomass",
        "B02": "coal",  # lignite, which in truth emits more than the median of coal
        "B03": "coal",  # gas from coal, mostly of blast furnaces
        "B04": "gas",
        "B05": "coal",
        "B06": "oil",
        "B07": "coal",  # oil shale
        "B08": "coal",  # peat
        "B09": "geothermal",
        "B11": "hydro",
        "B12": "hydro",
        "B13": "unknown",  # marine
        "B14": "nuclear",
        "B15": "unknown",  # other renewable
        "B16": "solar",
        "B17": "unknown",  # waste, of which about half is fossil
        "B18": "wind",
        "B19": "wind",
        "B20": "unknown",
    }
)
"""Fuel by production type (ENTSO-E code list, AssetTypeList). What has no factor of its own counts as "unknown"."""


def factor(production_type: str, factor_type: FactorType) -> Decimal:
    """Return g/kWh of a production type that is no storage; one that is not in the list counts as "unknown"."""
    return _factors()[FUELS.get(production_type, "unknown")][factor_type]


@cache
def _factors() -> Mapping[str, Mapping[FactorType, Decimal]]:
    text = resources.files("issuer.carbon").joinpath("data", "lifecycle_factors.csv").read_text(encoding="utf-8")
    return {
        row["fuel"]: {
            "direct": decimals.parse(row["direct_g_per_kwh"]),
            "lifecycle": decimals.parse(row["lifecycle_g_per_kwh"]),
        }
        for row in csv.DictReader(text.splitlines())
    }
