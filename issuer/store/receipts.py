"""Receipts of records that have a credential of their own: evidence that anybody may ask for, so made once and kept."""

from __future__ import annotations

from sqlalchemy import select

from issuer.store.database import Database
from issuer.store.models import CREDENTIAL
from issuer.store.window_models import CREDENTIAL_RECEIPT, RECEIPT, RECEIPT_BODY


class Receipts:
    """The receipts, each by the credential that it belongs to.

    By the leaf hash alone they are found for older credentials, whose evidence names no more. There the first one stands:
    another tenant's node may have put the same record into a window of its own.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_credential(self, credential_id: str, record_digest: str) -> bytes | None:
        """Return the receipt that belongs to a credential, if its record has this leaf hash; else None."""
        query = (
            select(CREDENTIAL_RECEIPT.c.body)
            .join(CREDENTIAL, CREDENTIAL.c.id == CREDENTIAL_RECEIPT.c.credential_id)
            .where(CREDENTIAL.c.id == credential_id, CREDENTIAL.c.record_digest == record_digest)
        )
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar()

    async def body(self, record_digest: str) -> bytes | None:
        """Return a receipt as it was made; None where there is none, or none was kept (see ``place``)."""
        query = select(RECEIPT_BODY.c.body).where(RECEIPT_BODY.c.record_digest == record_digest)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar()

    async def place(self, record_digest: str) -> tuple[int, int] | None:
        """Return the window (its row) and index of a record that has a credential of its own; else None."""
        query = select(RECEIPT.c.window_id, RECEIPT.c.idx).where(RECEIPT.c.record_digest == record_digest)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else (row.window_id, row.idx)

    async def keep(self, record_digest: str, body: bytes) -> None:
        """Keep a receipt whose record's credential was made before receipts were kept; the first one stands."""
        insert = self._database.insert(RECEIPT_BODY).values(record_digest=record_digest, body=body)
        async with self._database.write() as connection:
            await connection.execute(insert.on_conflict_do_nothing(index_elements=["record_digest"]))
