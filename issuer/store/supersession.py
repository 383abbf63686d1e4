"""Credentials in each other's place: what happens, in one transaction, when one that supersedes another is complete.

The one before is revoked as superseded by the very update that makes the new one stand, so there is never none, and never
two. With a window's credential every credential made from it is superseded; what comes in place of one of those is made
when it is asked for. What an operator suspended or revoked by itself stays so, and is told as outdated.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Row, RowMapping, select, update

from issuer.store.database import AsyncConnection
from issuer.store.errors import NotFoundError, RevokedError, SuspendedError
from issuer.store.figures import Parts, parts_of, value_of
from issuer.store.log import append_entry
from issuer.store.models import CREDENTIAL, STATUS_ENTRY
from issuer.store.provisional import close_claim
from issuer.store.report_models import further_columns
from issuer.store.selections import MEASURED_TYPE, WINDOW_TYPE
from issuer.store.status import count_change
from issuer.store.window_models import REISSUED_SHARE, WINDOW_SHARE
from schemas import decimals, strict_json

_ROW = CREDENTIAL.c
_ENTRY = STATUS_ENTRY.c
_PARTS: Final = ("units", "nano", "atto")

ACTOR: Final = "issuer"
"""Who the audit log says superseded a credential."""


async def check_supersedable(connection: AsyncConnection, credential_id: str) -> None:
    """Return if a credential may be superseded: it is valid, or superseded already with its window's.

    Raises RevokedError, SuspendedError: what an operator took back is not made valid by another one, NotFoundError.
    """
    _refuse_withdrawn(await _before(connection, credential_id))


async def supersede(connection: AsyncConnection, new_id: str, old_id: str, document: bytes, now_us: int) -> None:
    """Revoke a credential as superseded by one that becomes valid in the same transaction.

    ``document`` are the new one's issued bytes. Raises as ``check_supersedable``.
    """
    old = await _before(connection, old_id)
    _refuse_withdrawn(old)
    if old.superseded_us is None:
        # The window's entry first, then those made from it, then lists: as everywhere (issuer.store.status).
        marks = {"revoked_us": now_us, "superseded_us": now_us}
        await connection.execute(update(STATUS_ENTRY).where(_ENTRY.credential_id == old_id).values(**marks))
        count, lists = await _carry(connection, old, now_us)
        for list_id in sorted({old.list_id, *(lists if count else ())}):
            await count_change(connection, list_id, now_us)
        detail = f"superseded by {new_id}" + (f" (with {count} made from its window)" if count else "")
        await append_entry(connection, at_us=now_us, actor=ACTOR, action="supersede", target=old_id, detail=detail)
    await close_claim(connection, old_id, now_us)
    if old.credential_type == WINDOW_TYPE:
        await _share_again(connection, new_id, old, document)


async def _before(connection: AsyncConnection, credential_id: str) -> Row[Any]:
    query = (
        select(STATUS_ENTRY, _ROW.credential_type, _ROW.window_id, _ROW.supersedes)
        .join(CREDENTIAL, _ROW.id == _ENTRY.credential_id)
        .where(_ENTRY.credential_id == credential_id)
        .with_for_update(of=STATUS_ENTRY)
    )
    row = (await connection.execute(query)).first()
    if row is None:
        raise NotFoundError(f"there is no credential {credential_id!r} to be superseded")
    return row


def _refuse_withdrawn(old: Row[Any]) -> None:
    if old.superseded_us is not None:
        return
    if old.revoked_us is not None:
        raise RevokedError(f"the credential {old.credential_id} was revoked, and so none comes in its place")
    if old.suspended_us is not None:
        raise SuspendedError(f"the credential {old.credential_id} is suspended; reinstate it first")


async def _carry(connection: AsyncConnection, old: Row[Any], now_us: int) -> tuple[int, tuple[str, ...]]:
    """Supersede what was made from a window with its credential; return how many that were, and in which lists."""
    if old.credential_type != WINDOW_TYPE or old.window_id is None:
        return 0, ()
    made = (_ROW.window_id == old.window_id, _ROW.credential_type == MEASURED_TYPE)
    mine = _ENTRY.credential_id.in_(select(_ROW.id).where(*made))
    change = update(STATUS_ENTRY).where(mine, _ENTRY.revoked_us.is_(None), _ENTRY.suspended_us.is_(None))
    count = (await connection.execute(change.values(revoked_us=now_us, superseded_us=now_us))).rowcount
    left = update(STATUS_ENTRY).where(mine, _ENTRY.superseded_us.is_(None), _ENTRY.outdated_us.is_(None))
    await connection.execute(left.values(outdated_us=now_us))
    lists = await connection.execute(select(_ROW.list_id).where(*made).distinct())
    return count, tuple(lists.scalars())


async def _share_again(connection: AsyncConnection, new_id: str, old: Row[Any], document: bytes) -> None:
    """Write the shares of a window by its new credential: the same energy, under the new one's intensity. Exact."""
    claims = strict_json.parse_object(document)["credentialSubject"]
    if not isinstance(claims, dict):
        raise TypeError("a credential that was issued here has a subject")
    intensity, kind = str(claims["carbonIntensityGco2ePerKwh"]), str(claims["emissionFactorType"])
    rows = [_share(row, new_id, intensity, kind) for row in await _shares_of(connection, old)]
    if rows:
        await connection.execute(REISSUED_SHARE.insert(), rows)


async def _shares_of(connection: AsyncConnection, old: Row[Any]) -> Sequence[RowMapping]:
    if old.supersedes:
        query = select(REISSUED_SHARE).where(REISSUED_SHARE.c.credential_id == old.credential_id)
    else:
        query = select(WINDOW_SHARE).where(WINDOW_SHARE.c.window_id == old.window_id)
    return (await connection.execute(query)).mappings().all()


def _share(row: RowMapping, new_id: str, intensity: str, kind: str) -> dict[str, object]:
    energy: Decimal = value_of(Parts(*(row[f"energy_{part}"] for part in _PARTS)))
    emissions = parts_of(decimals.render(decimals.multiply(energy, decimals.parse(intensity))))
    same = (
        "tenant_id",
        "model_id",
        "window_id",
        "end_us",
        "count",
        "simulated",
        *(f"energy_{part}" for part in _PARTS),
        # None of it depends on the grid.
        *(column.name for column in further_columns()),
    )
    return {name: row[name] for name in same} | {
        "credential_id": new_id,
        "emission_factor_type": kind,
        "gco2e_per_kwh": intensity,
        **{f"emissions_{part}": value for part, value in emissions._asdict().items()},
    }
