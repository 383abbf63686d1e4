"""Nonces in the store, as parts of their callers' transactions: the one of a window, those for its node's next ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import delete, func, select, update

from issuer.store.database import AsyncConnection
from issuer.store.rows import read_record
from issuer.store.window_models import NONCE
from verifier.attestation.freshness import IssuedNonce

_KEPT_US: Final = 8 * 24 * 3_600_000_000
"""How long an expired nonce is remembered that no window used: one may arrive a week after it was made."""


async def find(connection: AsyncConnection, nonce: str) -> IssuedNonce | None:
    """Return a nonce that was handed out, or None."""
    row = (await connection.execute(select(NONCE).where(NONCE.c.nonce == nonce))).mappings().first()
    return None if row is None else read_record(IssuedNonce, row)


async def use(connection: AsyncConnection, nonce: str, digest: str) -> None:
    """Mark an unused nonce as used by the window of this digest."""
    change = update(NONCE).where(NONCE.c.nonce == nonce, NONCE.c.used_by.is_(None))
    await connection.execute(change.values(used_by=digest))


async def give(  # noqa: PLR0917 - what is given, and when
    connection: AsyncConnection,
    node_id: str,
    nonces: Sequence[IssuedNonce],
    max_outstanding: int,
    now_us: int,
    given_with: str | None = None,
) -> tuple[str, ...]:
    """Return those of ``nonces`` that the node may use, stored; ``given_with``: the window whose answer has them."""
    own, unused = NONCE.c.node_id == node_id, NONCE.c.used_by.is_(None)
    await connection.execute(delete(NONCE).where(own, unused, NONCE.c.expires_us < now_us - _KEPT_US))
    count = select(func.count()).where(own, unused, NONCE.c.expires_us > now_us)
    room = max_outstanding - int((await connection.execute(count)).scalar_one())
    given = list(nonces)[: max(room, 0)]
    if given:
        rows = [{**msgspec.structs.asdict(one), "given_with": given_with} for one in given]
        await connection.execute(NONCE.insert(), rows)
    return tuple(one.nonce for one in given)


async def given(connection: AsyncConnection, node_id: str, given_with: str, now_us: int) -> tuple[str, ...]:
    """Return the nonces that came with the answer to a window and are still good: the answer may have been lost."""
    query = select(NONCE.c.nonce).where(
        NONCE.c.node_id == node_id,
        NONCE.c.used_by.is_(None),
        NONCE.c.expires_us > now_us,
        NONCE.c.given_with == given_with,
    )
    return tuple((await connection.execute(query.order_by(NONCE.c.nonce))).scalars().all())
