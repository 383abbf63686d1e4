"""What an auditor takes along of a node's windows: each as the node sent it, its credential, and its nonce.

A request holds the records of whoever the node worked for, salts and all: what hides the records of one tenant from
another, as long as each sees its own alone. So a tenant's key gets windows whose every record is counted for its
tenant, and only a key of every tenant the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from issuer.errors import RecordsOfOthersError
from issuer.store.errors import CursorError, NotFoundError
from issuer.store.store import Store
from issuer.store.window_pages import PackedWindow
from issuer.windows import compression
from schemas import base64url
from verifier.attestation.freshness import IssuedNonce

MAX_PAGE_BYTES: Final = 2 * 1024 * 1024
"""Of requests, compressed: a page ends before them, but has one window at least (of 8 MiB at most)."""

_MAX_CURSOR: Final = 17


class _Item(msgspec.Struct, frozen=True, kw_only=True):
    """One window; ``request`` is the gzip of docs/api.md "Windows" in base64url."""

    window: str
    boot_epoch: str
    sequence: int
    credential: msgspec.Raw | None
    nonce: IssuedNonce | None
    request: str


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    """``next_cursor`` is null on the last page."""

    items: list[_Item]
    next_cursor: str | None


async def page(
    store: Store,
    node_id: str,
    tenant_id: str | None,
    *,
    since_us: int | None,
    until_us: int | None,
    cursor: str | None,
    limit: int,
) -> bytes:
    """Return a page of a node's windows as JSON, oldest first.

    ``tenant_id`` is whose key asks, None for a key of every tenant. Raises NotFoundError for a node that is not there,
    or not the tenant's, RecordsOfOthersError, CursorError, OverloadedError.
    """
    node = await store.nodes.get(node_id)
    if node is None or tenant_id not in (None, node.tenant_id):
        raise NotFoundError(f"there is no node {node_id!r} here")
    found, more = await store.window_pages.page(
        node_id,
        tenant_id,
        since_us=since_us,
        until_us=until_us,
        after_us=None if cursor is None else _read_cursor(cursor),
        limit=limit,
        max_bytes=MAX_PAGE_BYTES,
    )
    for one in found:
        _check_own(one)
    cursor = str(found[-1].window.end_us) if more else None
    return await asyncio.to_thread(_encoded, found, cursor)


def _encoded(found: Sequence[PackedWindow], cursor: str | None) -> bytes:
    return msgspec.json.encode(_Page(items=[_item(one) for one in found], next_cursor=cursor))


def _check_own(one: PackedWindow) -> None:
    if one.counted not in (None, one.window.record_count):
        raise RecordsOfOthersError(
            f"window {one.window.sequence} has records that are not counted for this tenant, and a tenant's key does "
            "not open those: ask the operator of this issuer for the bundle, or use receipts of your own inferences"
        )


def _item(one: PackedWindow) -> _Item:
    return _Item(
        window=one.window.digest,
        boot_epoch=one.window.epoch,
        sequence=one.window.sequence,
        credential=None if one.credential is None else msgspec.Raw(one.credential),
        nonce=one.nonce,
        # Whoever checks a bundle, years later, needs no more than gzip.
        request=base64url.encode(compression.in_gzip(one.body)),
    )


def _read_cursor(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MAX_CURSOR):
        raise CursorError("the cursor is not one that was handed out here")
    return int(cursor)
