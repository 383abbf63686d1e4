"""Exact sums over inferences, made by the database from integers.

An inference that was posted counts by its credential. One of a window counts by its window's share, whether or not it
has a credential of its own, and never by both. Its status is that of its own credential where it has one, else that of
its window's (issuer.windows.export has the same rule): where the two differ, it moves from one sum to the other.
What a window measured that belongs to no record (idle, unattributed) is in no inference and so in no sum.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, func, or_, select

from issuer.store.database import AsyncConnection
from issuer.store.figures import Parts, value_of
from issuer.store.models import CREDENTIAL, STATUS_ENTRY
from issuer.store.records import Sum, Totals
from issuer.store.selections import MEASURED_TYPE, WINDOW_TYPE, Selection
from issuer.store.window_models import WINDOW_SHARE
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
        .where(*selection.conditions(), _ROW.credential_type == MEASURED_TYPE, _ROW.window_id.is_(None))
        .group_by(revoked, suspended, _ROW.simulated, _ROW.emission_factor_type)
    )
    sums = {"measured": Sum(), "simulated": Sum(), "suspended": Sum(), "revoked": Sum()}
    for row in await connection.execute(query):
        kind = _kind(row)
        sums[kind] = _plus(sums[kind], row)
    for row in await connection.execute(_windowed(selection)):
        kind = _kind(row)
        sums[kind] = _plus(sums[kind], row)
    for row in await connection.execute(_moved(selection)):
        counted = _named(row.simulated, revoked=row.window_revoked, suspended=row.window_suspended)
        sums[counted] = _minus(sums[counted], row)
        sums[_kind(row)] = _plus(sums[_kind(row)], row)
    return Totals(**sums)


def _windowed(selection: Selection) -> Select[Any]:
    """Select the shares of windows, by the status of the window's credential."""
    share = WINDOW_SHARE.c
    revoked = STATUS_ENTRY.c.revoked_us.is_not(None).label("revoked")
    suspended = STATUS_ENTRY.c.suspended_us.is_not(None).label("suspended")
    conditions: list[ColumnElement[bool]] = [_ROW.state == "issued", _ROW.credential_type == WINDOW_TYPE]
    for column, value in ((share.tenant_id, selection.tenant_id), (share.model_id, selection.model_id)):
        if value is not None:
            conditions.append(column == value)
    if selection.since_us is not None:
        conditions.append(share.end_us >= selection.since_us)
    if selection.until_us is not None:
        conditions.append(share.end_us < selection.until_us)
    # SQLite keeps a truth as 0 or 1, and so do shares in both databases.
    groups = (revoked, suspended, share.simulated, share.emission_factor_type)
    return (
        select(
            *groups,
            func.sum(share["count"]).label("number"),
            *(
                func.sum(share[f"{figure}_{part}"]).label(f"{figure}_{part}")
                for figure in ("energy", "emissions")
                for part in _PARTS
            ),
        )
        .join(CREDENTIAL, _ROW.window_id == share.window_id)
        .join(STATUS_ENTRY, (STATUS_ENTRY.c.list_id == _ROW.list_id) & (STATUS_ENTRY.c.idx == _ROW.idx))
        .where(*conditions)
        .group_by(*groups)
    )


def _moved(selection: Selection) -> Select[Any]:
    """Select the credentials of windows' inferences whose status is not that of their window's."""
    own_status = STATUS_ENTRY.c
    window, window_status = CREDENTIAL.alias("of_window"), STATUS_ENTRY.alias("status_of_window")
    revoked = own_status.revoked_us.is_not(None).label("revoked")
    suspended = own_status.suspended_us.is_not(None).label("suspended")
    window_revoked = window_status.c.revoked_us.is_not(None).label("window_revoked")
    window_suspended = window_status.c.suspended_us.is_not(None).label("window_suspended")
    groups = (revoked, suspended, window_revoked, window_suspended, _ROW.simulated, _ROW.emission_factor_type)
    since_us, until_us = selection.since_us, selection.until_us
    ended = [] if since_us is None else [window.c.period_end_us >= since_us]
    ended += [] if until_us is None else [window.c.period_end_us < until_us]
    whose = selection._replace(since_us=None, until_us=None)
    return (
        select(
            *groups,
            func.count().label("number"),
            *(
                func.sum(_ROW[f"{figure}_{part}"]).label(f"{figure}_{part}")
                for figure in ("energy", "emissions")
                for part in _PARTS
            ),
        )
        .join(STATUS_ENTRY, (own_status.list_id == _ROW.list_id) & (own_status.idx == _ROW.idx))
        .join(window, (window.c.window_id == _ROW.window_id) & (window.c.credential_type == WINDOW_TYPE))
        .join(window_status, (window_status.c.list_id == window.c.list_id) & (window_status.c.idx == window.c.idx))
        .where(
            *whose.conditions(),
            _ROW.credential_type == MEASURED_TYPE,
            # Whatever befell the window's befell its own too (issuer.store.status), so only these can differ.
            or_(own_status.revoked_us.is_not(None), own_status.suspended_us.is_not(None)),
            or_(revoked != window_revoked, suspended != window_suspended),
            window.c.state == "issued",
            *ended,
        )
        .group_by(*groups)
    )


def _kind(row: Row[Any]) -> str:
    return _named(row.simulated, revoked=row.revoked, suspended=row.suspended)


def _named(simulated: Any, *, revoked: Any, suspended: Any) -> str:
    if revoked:
        return "revoked"
    if suspended:
        return "suspended"
    return "simulated" if simulated else "measured"


def _plus(before: Sum, row: Row[Any]) -> Sum:
    return _added(before, row, 1)


def _minus(before: Sum, row: Row[Any]) -> Sum:
    return _added(before, row, -1)


def _added(before: Sum, row: Row[Any], sign: int) -> Sum:
    kind, sign_of = row.emission_factor_type, Decimal(sign)
    grams = decimals.multiply(_figure(row, "emissions"), sign_of)
    return Sum(
        count=before.count + sign * int(row.number),
        energy_kwh=decimals.add(before.energy_kwh, decimals.multiply(_figure(row, "energy"), sign_of)),
        emissions_gco2e={
            **before.emissions_gco2e,
            kind: decimals.add(before.emissions_gco2e.get(kind, Decimal(0)), grams),
        },
    )


def _figure(row: Row[Any], figure: str) -> Decimal:
    # PostgreSQL sums 64-bit integers as numeric, which arrives as Decimal without a fraction.
    return value_of(Parts(*(int(getattr(row, f"{figure}_{part}")) for part in _PARTS)))
