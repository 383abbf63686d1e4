"""The signing keys of the issuers. At most one of an issuer is active; the others stay published."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select, update

from issuer.store.database import AsyncConnection, Database
from issuer.store.errors import NotFoundError, UnstorableValueError
from issuer.store.models import SIGNING_KEY
from issuer.store.records import KeyRecord, KeyState
from issuer.store.rows import column_values, read_record
from schemas.strict_json import JsonObject

_KEY = SIGNING_KEY.c
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})  # RFC 7518 §6.2.2, §6.3.2, §6.4


class Keys:
    """The signing keys, by issuer and key id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self,
        issuer_slug: str,
        key_id: str,
        uri: str,
        jwk: JsonObject,
        algorithm: str,
        *,
        state: KeyState = "active",
        now_us: int,
    ) -> KeyRecord:
        """Return the new key.

        Raises ConflictError if the id is taken or another key is active already, NotFoundError for an
        unknown issuer.
        """
        key = KeyRecord(
            issuer_slug=issuer_slug,
            key_id=key_id,
            uri=uri,
            jwk=_public(jwk),
            algorithm=algorithm,
            state=state,
            created_us=now_us,
            retired_us=now_us if state == "retired" else None,
            revoked_us=now_us if state == "revoked" else None,
        )
        async with self._database.write() as connection:
            await connection.execute(SIGNING_KEY.insert().values(column_values(key)))
        return key

    async def active(self, issuer_slug: str) -> KeyRecord | None:
        """Return the key that signs now, or None."""
        query = select(SIGNING_KEY).where(_KEY.issuer_slug == issuer_slug, _KEY.state == "active")
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else read_record(KeyRecord, row)

    async def all(self, issuer_slug: str) -> tuple[KeyRecord, ...]:
        """Return all keys of an issuer, oldest first, retired and revoked ones too."""
        query = select(SIGNING_KEY).where(_KEY.issuer_slug == issuer_slug).order_by(_KEY.created_us, _KEY.key_id)
        async with self._database.read() as connection:
            found = (await connection.execute(query)).mappings().all()
        return tuple(read_record(KeyRecord, row) for row in found)

    async def rotate(
        self, issuer_slug: str, key_id: str, uri: str, jwk: JsonObject, algorithm: str, *, now_us: int
    ) -> KeyRecord:
        """Retire the active key and return the new active one, in one transaction: there is always exactly one.

        Raises ConflictError if the id is taken or another rotation was faster.
        """
        key = KeyRecord(
            issuer_slug=issuer_slug,
            key_id=key_id,
            uri=uri,
            jwk=_public(jwk),
            algorithm=algorithm,
            state="active",
            created_us=now_us,
        )
        retire = update(SIGNING_KEY).where(_KEY.issuer_slug == issuer_slug, _KEY.state == "active")
        async with self._database.write() as connection:
            await connection.execute(retire.values(state="retired", retired_us=now_us))
            await connection.execute(SIGNING_KEY.insert().values(column_values(key)))
        return key

    async def retire(self, issuer_slug: str, key_id: str, *, now_us: int) -> bool:
        """Stop signing with a key; what it signed stays valid. Return whether it was active until now.

        Raises NotFoundError.
        """
        change = update(SIGNING_KEY).where(_KEY.state == "active").values(state="retired", retired_us=now_us)
        async with self._database.write() as connection:
            await _require(connection, issuer_slug, key_id)
            done = await connection.execute(change.where(_KEY.issuer_slug == issuer_slug, _KEY.key_id == key_id))
        return done.rowcount == 1

    async def revoke(self, issuer_slug: str, key_id: str, *, now_us: int) -> bool:
        """Mark a key as no longer to be trusted, for good. Return whether it was not so before.

        Raises NotFoundError.
        """
        change = update(SIGNING_KEY).where(_KEY.state != "revoked").values(state="revoked", revoked_us=now_us)
        async with self._database.write() as connection:
            await _require(connection, issuer_slug, key_id)
            done = await connection.execute(change.where(_KEY.issuer_slug == issuer_slug, _KEY.key_id == key_id))
        return done.rowcount == 1


def _public(jwk: JsonObject) -> JsonObject:
    if not _PRIVATE_MEMBERS.isdisjoint(jwk):
        raise UnstorableValueError("only the public part of a key is stored")
    return jwk


async def _require(connection: AsyncConnection, issuer_slug: str, key_id: str) -> None:
    query = select(_KEY.key_id).where(_KEY.issuer_slug == issuer_slug, _KEY.key_id == key_id)
    if (await connection.execute(query)).first() is None:
        raise NotFoundError(f"the issuer {issuer_slug!r} has no key {key_id!r}")
