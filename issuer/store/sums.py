"""Exact sums over credentials, made by the database from integers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Row, func, select

from issuer.store.database import AsyncConnection
from issuer.store.figures import Parts, value_of
from issuer.store.models import CREDENTIAL, STATUS_ENTRY
from issuer.store.records import Sum, Totals
from issuer.store.selections import MEASURED_TYPE, Selection
from schemas import decimals

_ROW = CREDENTIAL.c
_PARTS: Final = ("units", "nano", "atto")


async def sum_totals(connection: AsyncConnection, selection: Selection) -> Totals:
    """Return the sums of a selection, each credential in exactly one of the four."""
    revoked = STATUS_ENTRY.c.revoked_us.is_not(None).label("revoked")
    suspended = STATUS_ENTRY.c.suspended_us.is_not(None).label("suspended")
    query = (
        select(
            revoked,
            suspended,
            _ROW.simulated,
            _ROW.emission_factor_type,
            func.count().label("number"),
            *(
                func.sum(_ROW[f"{figure}_{part}"]).label(f"{figure}_{part}")
                for figure in ("energy", "emissions")
                for part in _PARTS
            ),
        )
        .join(STATUS_ENTRY, (STATUS_ENTRY.c.list_id == _ROW.list_id) & (STATUS_ENTRY.c.idx == _ROW.idx))
        .where(*selection.conditions(), _ROW.credential_type == MEASURED_TYPE)
        .group_by(revoked, suspended, _ROW.simulated, _ROW.emission_factor_type)
    )
    sums = {"measured": Sum(), "simulated": Sum(), "suspended": Sum(), "revoked": Sum()}
    for row in await connection.execute(query):
        kind = _kind(row)
        sums[kind] = _plus(sums[kind], row)
    return Totals(**sums)


def _kind(row: Row[Any]) -> str:
    if row.revoked:
        return "revoked"
    if row.suspended:
        return "suspended"
    return "simulated" if row.simulated else "measured"


def _plus(before: Sum, row: Row[Any]) -> Sum:
    kind, grams = row.emission_factor_type, _figure(row, "emissions")
    return Sum(
        count=before.count + row.number,
        energy_kwh=decimals.add(before.energy_kwh, _figure(row, "energy")),
        emissions_gco2e={
            **before.emissions_gco2e,
            kind: decimals.add(before.emissions_gco2e.get(kind, Decimal(0)), grams),
        },
    )


def _figure(row: Row[Any], figure: str) -> Decimal:
    # PostgreSQL sums 64-bit integers as numeric, which arrives as Decimal without a fraction.
    return value_of(Parts(*(int(getattr(row, f"{figure}_{part}")) for part in _PARTS)))
