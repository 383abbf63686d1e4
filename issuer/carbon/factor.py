"""The carbon intensity that one credential claims, wherever it comes from: an annual table, or the slots of a provider. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from issuer.carbon import table
from issuer.carbon.table import Intensity

ClaimStatus = Literal["final", "provisional"]


class GridFactor(msgspec.Struct, frozen=True, kw_only=True):
    """One location-based average factor: ``gco2e_per_kwh`` has at most 3 decimals.

    ``year`` is an annual figure's, ``grid_data_digest`` that of the slots that the figure was computed from
    (schemas.grid_data); there is exactly one of both. ``provisional``: to be superseded when the grid's data settle.
    """

    region: str
    gco2e_per_kwh: Decimal
    factor_type: Literal["direct", "lifecycle"]
    characterization_factors: Literal["AR4", "AR5", "AR6"] | None
    tier: str
    source: str
    granularity: str
    year: int | None = None
    grid_data_digest: str | None = None
    claim_status: ClaimStatus = "final"


def of_table(intensity: Intensity, *, claim_status: ClaimStatus = "final") -> GridFactor:
    """Return an annual average as a factor. It is published once and for all, so it is final unless it stands in for slots."""
    return GridFactor(
        region=intensity.region,
        gco2e_per_kwh=intensity.gco2e_per_kwh,
        factor_type=intensity.factor_type,
        characterization_factors=intensity.characterization_factors,
        tier=intensity.tier,
        source=intensity.source,
        granularity=table.GRANULARITY,
        year=intensity.year,
        claim_status=claim_status,
    )
