"""Reading credentials: the columns, the tenant's filter, and pages that stay stable while rows are added."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, RowMapping, Select, select, tuple_

from issuer.store.database import AsyncConnection
from issuer.store.errors import CursorError
from issuer.store.models import CREDENTIAL, CREDENTIAL_BYTES, STATUS_ENTRY
from issuer.store.records import Page, StoredCredential
from issuer.store.rows import read_record
from schemas import base64url
from schemas.errors import FormatError

MEASURED_TYPE: Final = "GreenComputeCredential"
"""Only these are summed and exported: a window's or summary's credential states the same energy again."""

WINDOW_TYPE: Final = "GreenComputeWindowCredential"

_MAX_LIMIT: Final = 1000
_CURSOR: Final = re.compile(r"(-?\d{1,17})\.([0-9a-f-]{36})", re.ASCII)
_ROW = CREDENTIAL.c


class Selection(NamedTuple):
    """Which issued credentials; ``tenant_id`` None means every tenant's, the rest None means not filtered by it."""

    tenant_id: str | None
    model_id: str | None = None
    node_id: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    credential_type: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions on the credential table."""
        found: list[ColumnElement[bool]] = [_ROW.state == "issued"]
        if self.tenant_id is not None:
            found.append(_ROW.tenant_id == self.tenant_id)
        if self.model_id is not None:
            found.append(_ROW.model_id == self.model_id)
        if self.node_id is not None:
            found.append(_ROW.node_id == self.node_id)
        if self.credential_type is not None:
            found.append(_ROW.credential_type == self.credential_type)
        if self.since_us is not None:
            found.append(_ROW.period_end_us >= self.since_us)
        if self.until_us is not None:
            found.append(_ROW.period_end_us < self.until_us)
        return found


def _query() -> Select[tuple[object, ...]]:
    return (
        select(
            CREDENTIAL,
            CREDENTIAL_BYTES.c.unsecured,
            CREDENTIAL_BYTES.c.document,
            STATUS_ENTRY.c.revoked_us,
            STATUS_ENTRY.c.suspended_us,
            STATUS_ENTRY.c.superseded_us,
            STATUS_ENTRY.c.outdated_us,
        )
        .join(CREDENTIAL_BYTES, CREDENTIAL_BYTES.c.credential_id == _ROW.id)
        .join(STATUS_ENTRY, (STATUS_ENTRY.c.list_id == _ROW.list_id) & (STATUS_ENTRY.c.idx == _ROW.idx))
    )


def _record(row: RowMapping) -> StoredCredential:
    return read_record(StoredCredential, row, index=row["idx"], unsecured=row["unsecured"] or b"")


async def select_by_id(
    connection: AsyncConnection, credential_id: str, tenant_id: str | None
) -> StoredCredential | None:
    """Return one credential of the tenant, or None."""
    query = _query().where(_ROW.id == credential_id)
    if tenant_id is not None:
        query = query.where(_ROW.tenant_id == tenant_id)
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else _record(row)


async def select_by_inference(
    connection: AsyncConnection, tenant_id: str, inference_id: str
) -> StoredCredential | None:
    """Return the reserved or issued credential of an inference, or None; of several that superseded each other, the current."""
    query = _query().where(_ROW.tenant_id == tenant_id, _ROW.inference_id == inference_id, _ROW.state != "rejected")
    row = current_of((await connection.execute(query)).mappings().all())
    return None if row is None else _record(row)


def current_of(rows: Sequence[RowMapping]) -> RowMapping | None:
    """Return which of the credentials of one inference, or of one window, counts: each supersedes the one before.

    The issued one that is not superseded. Where there is none (it was superseded with its window's), the last issued one,
    and before any is issued the reserved one. Rows have id, state, supersedes and superseded_us; rejected ones are left out.
    """
    replaced = {row["supersedes"] for row in rows if row["state"] == "issued"}

    def place(row: RowMapping) -> int:
        if row["state"] != "issued":
            return 2
        if row["superseded_us"] is None:
            return 0
        return 3 if row["id"] in replaced else 1

    return min(rows, key=place, default=None)


async def select_successor(connection: AsyncConnection, credential_id: str) -> str | None:
    """Return the id of the issued credential that supersedes one, or None."""
    # The first condition is the index's.
    of_it = (_ROW.supersedes != "", _ROW.state != "rejected", _ROW.supersedes == credential_id, _ROW.state == "issued")
    return (await connection.execute(select(_ROW.id).where(*of_it))).scalar()


async def select_current_of_window(
    connection: AsyncConnection, window_id: int, *, keep: bool = False
) -> RowMapping | None:
    """Return id, state, supersedes and status of a window's credential that counts, or None.

    ``keep``: all of the window's stay as they are until the caller's transaction ends.
    """
    query = (
        select(
            *(_ROW.id, _ROW.state, _ROW.supersedes),
            *(STATUS_ENTRY.c.revoked_us, STATUS_ENTRY.c.suspended_us, STATUS_ENTRY.c.superseded_us),
        )
        .join(STATUS_ENTRY, STATUS_ENTRY.c.credential_id == _ROW.id)
        .where(_ROW.window_id == window_id, _ROW.credential_type == WINDOW_TYPE, _ROW.state != "rejected")
    )
    if keep:
        query = query.with_for_update(read=True, of=STATUS_ENTRY)
    return current_of((await connection.execute(query)).mappings().all())


async def select_page(connection: AsyncConnection, selection: Selection, limit: int, cursor: str | None) -> Page:
    """Return the rows before the cursor's, newest period first. Raises CursorError."""
    limit = min(max(limit, 1), _MAX_LIMIT)
    position = tuple_(_ROW.period_end_us, _ROW.id)
    query = _query().where(*selection.conditions())
    if cursor is not None:
        query = query.where(position < tuple_(*_read_cursor(cursor)))
    query = query.order_by(_ROW.period_end_us.desc(), _ROW.id.desc()).limit(limit + 1)
    found = [_record(row) for row in (await connection.execute(query)).mappings()]
    shown = tuple(found[:limit])
    return Page(shown, _write_cursor(shown[-1]) if len(found) > limit else None)


async def select_batch(
    connection: AsyncConnection, selection: Selection, after: StoredCredential | None, limit: int
) -> tuple[StoredCredential, ...]:
    """Return the next posted inferences of an export, oldest period first; those of windows come with their windows."""
    posted = (_ROW.credential_type == MEASURED_TYPE, _ROW.window_id.is_(None), STATUS_ENTRY.c.superseded_us.is_(None))
    query = _query().where(*selection.conditions(), *posted)
    if after is not None:
        query = query.where(tuple_(_ROW.period_end_us, _ROW.id) > tuple_(after.period_end_us, after.id))
    query = query.order_by(_ROW.period_end_us, _ROW.id).limit(limit)
    return tuple(_record(row) for row in (await connection.execute(query)).mappings())


async def select_singles(connection: AsyncConnection, window_id: int) -> tuple[StoredCredential, ...]:
    """Return the issued credentials of one window's inferences, those that were not superseded."""
    query = _query().where(_ROW.window_id == window_id, _ROW.credential_type == MEASURED_TYPE, _ROW.state == "issued")
    query = query.where(STATUS_ENTRY.c.superseded_us.is_(None))
    return tuple(_record(row) for row in (await connection.execute(query)).mappings())


async def select_pending(
    connection: AsyncConnection, before_us: int | None, limit: int
) -> tuple[StoredCredential, ...]:
    """Return reserved rows, oldest first."""
    query = _query().where(_ROW.state == "reserved")
    if before_us is not None:
        query = query.where(_ROW.reserved_us < before_us)
    query = query.order_by(_ROW.reserved_us, _ROW.id).limit(limit)
    return tuple(_record(row) for row in (await connection.execute(query)).mappings())


def _write_cursor(row: StoredCredential) -> str:
    return base64url.encode(f"{row.period_end_us}.{row.id}".encode())


def _read_cursor(cursor: str) -> tuple[int, str]:
    try:
        match = _CURSOR.fullmatch(base64url.decode(cursor).decode("ascii"))
    except (FormatError, ValueError) as error:
        raise CursorError("the cursor is not one that was handed out here") from error
    if match is None:
        raise CursorError("the cursor is not one that was handed out here")
    return int(match[1]), match[2]
