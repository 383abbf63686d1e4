"""Windows of a node as an auditor takes them along: what the node sent, the credential, the nonce, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import func, select

from issuer.store.database import AsyncConnection, Database
from issuer.store.models import CREDENTIAL, CREDENTIAL_BYTES, STATUS_ENTRY
from issuer.store.rows import read_record
from issuer.store.selections import WINDOW_TYPE
from issuer.store.window_models import NONCE, WINDOW, WINDOW_SHARE
from issuer.store.window_records import StoredWindow
from verifier.attestation.freshness import IssuedNonce

_WINDOW: Final = WINDOW.c
_COLUMNS: Final = [column for column in _WINDOW if column.name != "body"]


class _Nonced(Struct, frozen=True):
    """Of a header, what it says of a nonce."""

    nonce: str | None = None


_HEADERS: Final = msgspec.json.Decoder(_Nonced)


class PackedWindow(Struct, frozen=True, kw_only=True):
    """A window with its request (gzip or zstd), its credential's bytes, and its nonce; None where there is none.

    ``counted`` is how many of its records the issuer counts for the tenant that asks, None where nobody asked.
    """

    window: StoredWindow
    body: bytes
    credential: bytes | None
    nonce: IssuedNonce | None
    counted: int | None


class WindowPages:
    """Reads windows for audits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self,
        node_id: str,
        tenant_id: str | None,
        *,
        since_us: int | None,
        until_us: int | None,
        after_us: int | None,
        limit: int,
        max_bytes: int,
    ) -> tuple[tuple[PackedWindow, ...], bool]:
        """Return the next windows of a node, oldest first, and whether more follow.

        ``since_us`` and ``until_us`` bound where they end, ``after_us`` is the end of the last one of the page before:
        windows of a node never overlap. A page is full at ``limit`` windows, or where their requests would pass
        ``max_bytes``; it has one at least. Raises OverloadedError where too many lists are being read.
        """
        query = select(*_COLUMNS).where(_WINDOW.node_id == node_id)
        if since_us is not None:
            query = query.where(_WINDOW.end_us >= since_us)
        if until_us is not None:
            query = query.where(_WINDOW.end_us < until_us)
        if after_us is not None:
            query = query.where(_WINDOW.end_us > after_us)
        query = query.order_by(_WINDOW.end_us).limit(limit + 1)
        async with self._database.list_rows(tenant_id) as connection:
            rows = (await connection.execute(query)).mappings().all()
            found = [read_record(StoredWindow, row) for row in rows]
            bodies = await _bodies(connection, [one.id for one in found[:limit]], max_bytes)
            shown = found[: len(bodies)]
            packed = await _packed(connection, shown, bodies, tenant_id)
        return packed, len(found) > len(packed)


async def _bodies(connection: AsyncConnection, ids: Sequence[int], max_bytes: int) -> list[bytes]:
    """Return the requests of the first of these windows: all that find room, and one at least."""
    bodies: list[bytes] = []
    room = max_bytes
    for window_id in ids:
        body = (await connection.execute(select(_WINDOW.body).where(_WINDOW.id == window_id))).scalar_one()
        room -= len(body)
        if bodies and room < 0:
            break
        bodies.append(body)
    return bodies


async def _packed(
    connection: AsyncConnection, shown: Sequence[StoredWindow], bodies: Sequence[bytes], tenant_id: str | None
) -> tuple[PackedWindow, ...]:
    ids = [one.id for one in shown]
    documents = await _documents(connection, ids)
    used = {one.id: _HEADERS.decode(one.header).nonce for one in shown}
    nonces = await _nonces(connection, [nonce for nonce in used.values() if nonce is not None])
    counted = None if tenant_id is None else await _counted(connection, ids, tenant_id)
    return tuple(
        PackedWindow(
            window=window,
            body=body,
            credential=documents.get(window.id),
            nonce=nonces.get(used[window.id] or ""),
            counted=None if counted is None else counted.get(window.id, 0),
        )
        for window, body in zip(shown, bodies, strict=True)
    )


async def _documents(connection: AsyncConnection, ids: Sequence[int]) -> dict[int, bytes]:
    column = CREDENTIAL.c
    query = (
        select(column.window_id, CREDENTIAL_BYTES.c.document)
        .join(CREDENTIAL_BYTES, CREDENTIAL_BYTES.c.credential_id == column.id)
        .join(STATUS_ENTRY, STATUS_ENTRY.c.credential_id == column.id)
        .where(column.window_id.in_(ids), column.credential_type == WINDOW_TYPE, column.state == "issued")
        # Of those that superseded each other, the one that counts.
        .where(STATUS_ENTRY.c.superseded_us.is_(None))
        # So that the index of living windows is used.
        .where(column.state != "rejected")
    )
    return {row.window_id: row.document for row in await connection.execute(query)}


async def _nonces(connection: AsyncConnection, nonces: Sequence[str]) -> dict[str, IssuedNonce]:
    if not nonces:
        return {}
    found = (await connection.execute(select(NONCE).where(NONCE.c.nonce.in_(nonces)))).mappings()
    return {row["nonce"]: read_record(IssuedNonce, row) for row in found}


async def _counted(connection: AsyncConnection, ids: Sequence[int], tenant_id: str) -> dict[int, int]:
    share = WINDOW_SHARE.c
    query = (
        select(share.window_id, func.sum(share.count).label("counted"))
        .where(share.window_id.in_(ids), share.tenant_id == tenant_id)
        .group_by(share.window_id)
    )
    return {row.window_id: int(row.counted) for row in await connection.execute(query)}
