"""Credentials on their way: reserved, then issued or rejected.

The order of issuing (reserve → sign → verify → complete) lives in the domain; here each step is one transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec
from sqlalchemy import RowMapping, delete, select, update

from issuer.store.database import AsyncConnection, Database, Randomness
from issuer.store.errors import ConflictError, NotFoundError, SerializationError, StoreError, UnavailableError
from issuer.store.identifiers import uuid7
from issuer.store.log import append_entry
from issuer.store.models import CREDENTIAL, CREDENTIAL_BYTES, EVIDENCE, STATUS_ENTRY
from issuer.store.provisional import open_claim
from issuer.store.records import Page, Reservation, Reserved, StoredCredential, Totals
from issuer.store.report_models import REPORTED
from issuer.store.reported import reported
from issuer.store.reserving import columns, found
from issuer.store.selections import (
    MEASURED_TYPE,
    WINDOW_TYPE,
    Selection,
    current_of,
    select_batch,
    select_by_id,
    select_by_inference,
    select_page,
    select_pending,
    select_successor,
)
from issuer.store.status import check_window, count_change
from issuer.store.status_lists import StatusLists
from issuer.store.sums import sum_totals
from issuer.store.supersession import check_supersedable, supersede
from issuer.store.window_models import CREDENTIAL_RECEIPT, INFERENCE

_ROW = CREDENTIAL.c
_ATTEMPTS: Final = 8


class RaceLostError(StoreError):
    """Another transaction reserved the same inference first: roll back, and find its row."""


class Credentials:
    """The credentials. ``tenant_id`` names whose they may be; None: anybody's."""

    def __init__(self, database: Database, lists: StatusLists, randomness: Randomness) -> None:
        self._database = database
        self._lists = lists
        self._randomness = randomness

    async def reserve(self, request: Reservation, build: Callable[[Reserved], bytes]) -> Reserved:
        """Return the reservation of an inference, the same one however often and by whomever it is asked for.

        In one transaction: look for the inference, else take an id and a status index, call ``build`` with them
        for the unsecured document's bytes, and store those frozen. ``build`` may be called again after a lost race,
        and what it raises leaves nothing behind. Raises ConflictError if the inference has another body,
        NotFoundError for an unknown issuer, tenant or node, UnavailableError, and as ``reserve_in``.
        """
        for _ in range(_ATTEMPTS):
            try:
                async with self._database.write() as connection:
                    return await self.reserve_in(connection, request, build)
            except (RaceLostError, SerializationError):
                continue
        raise UnavailableError("too many reservations of the same inference at once; try again")

    async def reserve_in(
        self, connection: AsyncConnection, request: Reservation, build: Callable[[Reserved], bytes]
    ) -> Reserved:
        """Return a reservation as part of the caller's transaction, which begins anew if RaceLostError comes.

        Nothing new is made from a window whose credential is not valid, nor in place of a credential that an operator took
        back: RevokedError, SuspendedError; OutdatedError where the window has another credential by now.
        """
        if request.supersedes:
            # The entry of the one before is locked first, as by who completes what supersedes it: two that come at once
            # then find each other's row, and neither waits for the other's while it holds what that one needs.
            await self._check_window(connection, request)
            await check_supersedable(connection, request.supersedes)
        row = await _find(connection, request)
        if row is not None:
            return found(row, request)
        if not request.supersedes:
            await self._check_window(connection, request)
        return await self._insert(connection, request, build)

    async def _check_window(self, connection: AsyncConnection, request: Reservation) -> None:
        if request.record_index is not None and request.window_id is not None:
            await check_window(connection, request.window_id, request.window_credential)

    async def _insert(
        self, connection: AsyncConnection, request: Reservation, build: Callable[[Reserved], bytes]
    ) -> Reserved:
        credential_id = uuid7(request.now_us, self._randomness)
        slot = await self._lists.allocate(connection, request.issuer_slug, credential_id, request.now_us)
        reserved = Reserved(
            id=credential_id, list_id=slot.list_id, index=slot.index, reserved_us=request.now_us, fresh=True
        )
        unsecured = build(reserved)
        await self._insert_row(connection, request, reserved)
        if request.inference_id is not None and request.window_id is None and not request.supersedes:
            await self._claim(connection, request)
        if request.receipt is not None:
            receipt = {"credential_id": credential_id, "body": request.receipt}
            await connection.execute(CREDENTIAL_RECEIPT.insert().values(receipt))
        await connection.execute(
            CREDENTIAL_BYTES.insert().values(credential_id=credential_id, unsecured=unsecured, document=None)
        )
        if request.credential_type in {MEASURED_TYPE, WINDOW_TYPE}:
            told = reported(unsecured, request.credential_type)
            await connection.execute(REPORTED.insert().values(credential_id=credential_id, **told))
        await self._insert_evidence(connection, request)
        if request.provisional is not None:
            await open_claim(connection, credential_id, request.provisional)
        return msgspec.structs.replace(reserved, unsecured=unsecured)

    async def _insert_evidence(self, connection: AsyncConnection, request: Reservation) -> None:
        named = dict(request.attachments)
        if request.record is not None and request.record_digest is not None:
            named[request.record_digest] = request.record
        # In one order everywhere: who waits for another's same bytes never does so in a circle.
        for digest, body in sorted(named.items()):
            evidence = self._database.insert(EVIDENCE).values(digest=digest, body=body)
            await connection.execute(evidence.on_conflict_do_nothing(index_elements=["digest"]))

    async def _claim(self, connection: AsyncConnection, request: Reservation) -> None:
        """Take the inference id for a posted record. Raises ConflictError where a window has it."""
        own = {"tenant_id": request.tenant_id, "inference_id": request.inference_id}
        insert = self._database.insert(INFERENCE).values(own)
        done = await connection.execute(insert.on_conflict_do_nothing(index_elements=["tenant_id", "inference_id"]))
        if done.rowcount != 1:
            raise ConflictError(
                f"the inference {request.inference_id!r} was measured in a window already; give each an id of its own"
            )

    async def _insert_row(self, connection: AsyncConnection, request: Reservation, reserved: Reserved) -> None:
        insert = self._database.insert(CREDENTIAL).values(columns(request, reserved))
        # Whichever index it is: another has the inference, the window, or the place after the same credential.
        done = await connection.execute(insert.on_conflict_do_nothing())
        if done.rowcount != 1:
            raise RaceLostError("the inference or window was reserved by another process meanwhile")

    async def complete(self, credential_id: str, document: bytes, issued_us: int) -> StoredCredential:
        """Store the issued bytes if there are none yet, and return the credential with the bytes that stand.

        Two processes may sign the same reservation; the first one's bytes are the credential, and both must answer
        with them. One that it supersedes is revoked in the same transaction. Raises NotFoundError, ConflictError if the
        reservation was rejected, UnavailableError, and as supersession.supersede; it then stays, to be rejected.
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._complete(credential_id, document, issued_us)
            except SerializationError:
                continue
        return await self._complete(credential_id, document, issued_us)

    async def _complete(self, credential_id: str, document: bytes, issued_us: int) -> StoredCredential:
        issue = update(CREDENTIAL).where(_ROW.id == credential_id, _ROW.state == "reserved")
        put = update(CREDENTIAL_BYTES).where(CREDENTIAL_BYTES.c.credential_id == credential_id)
        async with self._database.write() as connection:
            done = await connection.execute(
                issue.values(state="issued", issued_us=issued_us).returning(_ROW.supersedes)
            )
            row = done.first()
            if row is not None:
                await connection.execute(put.values(document=document, unsecured=None))
            if row is not None and row.supersedes:
                await supersede(connection, credential_id, row.supersedes, document, issued_us)
            stored = await select_by_id(connection, credential_id, tenant_id=None)
            if stored is None:
                raise NotFoundError(f"there is no credential {credential_id!r}")
            if stored.state == "rejected":
                raise ConflictError("the reservation was rejected; reserve it again")
        return stored

    async def reject(self, credential_id: str, reason: str, now_us: int) -> None:
        """Record that a reservation will never be issued; its inference may then be reserved anew.

        Its status index is burned: it is never given out again, and revoked, so that even bytes that were signed
        and went astray do not verify. Raises NotFoundError, and ConflictError if it was issued.
        """
        refuse = update(CREDENTIAL).where(_ROW.id == credential_id, _ROW.state == "reserved")
        async with self._database.write() as connection:
            refused = refuse.values(state="rejected", rejection=reason)
            done = await connection.execute(
                refused.returning(*(_ROW.list_id, _ROW.tenant_id, _ROW.inference_id, _ROW.window_id, _ROW.supersedes))
            )
            row = done.first()
            if row is None:
                await _explain_no_rejection(connection, credential_id)
                return
            entry = update(STATUS_ENTRY).where(STATUS_ENTRY.c.credential_id == credential_id)
            await connection.execute(entry.where(STATUS_ENTRY.c.revoked_us.is_(None)).values(revoked_us=now_us))
            await count_change(connection, row.list_id, now_us)
            await append_entry(
                connection, at_us=now_us, actor="issuer", action="reject", target=credential_id, detail=reason
            )
            # Last, as a reservation takes it last: two that wait for each other would end in a deadlock.
            if row.inference_id is not None and row.window_id is None and not row.supersedes:
                posted = (INFERENCE.c.tenant_id == row.tenant_id, INFERENCE.c.inference_id == row.inference_id)
                await connection.execute(delete(INFERENCE).where(*posted))

    async def by_id(self, credential_id: str, *, tenant_id: str | None) -> StoredCredential | None:
        """Return the credential in whatever state, or None."""
        async with self._database.read() as connection:
            return await select_by_id(connection, credential_id, tenant_id)

    async def by_inference(self, tenant_id: str, inference_id: str) -> StoredCredential | None:
        """Return the reserved or issued credential of an inference, or None; rejected ones do not count.

        Of several that superseded each other, the current one (selections.current_of).
        """
        async with self._database.read() as connection:
            return await select_by_inference(connection, tenant_id, inference_id)

    async def successor(self, credential_id: str) -> str | None:
        """Return the id of the issued credential that supersedes one, or None."""
        async with self._database.read() as connection:
            return await select_successor(connection, credential_id)

    async def page(
        self,
        tenant_id: str | None,
        limit: int = 100,
        cursor: str | None = None,
        *,
        model_id: str | None = None,
        node_id: str | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
        credential_type: str | None = None,
    ) -> Page:
        """Return up to ``limit`` (1 to 1,000) issued credentials, those whose period ended last first.

        ``since_us`` (included) and ``until_us`` (excluded) are compared with the period's end. Following the cursors
        gives each credential that was there at the first page exactly once, whatever is issued meanwhile.
        Raises CursorError.
        """
        selection = Selection(tenant_id, model_id, node_id, since_us, until_us, credential_type)
        async with self._database.list_rows(tenant_id) as connection:
            return await select_page(connection, selection, limit, cursor)

    async def export(
        self,
        tenant_id: str | None,
        since_us: int | None = None,
        until_us: int | None = None,
        *,
        batch_size: int = 500,
    ) -> AsyncIterator[StoredCredential]:
        """Yield the issued credentials of inferences and jobs, oldest period first, with their status.

        Read in batches of ``batch_size``: a slow reader holds no transaction open.
        """
        selection = Selection(tenant_id, since_us=since_us, until_us=until_us)
        after: StoredCredential | None = None
        while True:
            async with self._database.list_rows(tenant_id) as connection:
                batch = await select_batch(connection, selection, after, batch_size)
            for row in batch:
                yield row
            if len(batch) < batch_size:
                return
            after = batch[-1]

    async def emissions(
        self,
        tenant_id: str | None,
        model_id: str | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
    ) -> Totals:
        """Return the exact sums over issued credentials of inferences and jobs, by the end of their period."""
        selection = Selection(tenant_id, model_id=model_id, since_us=since_us, until_us=until_us)
        async with self._database.list_rows(tenant_id) as connection:
            return await sum_totals(connection, selection)

    async def pending(self, *, before_us: int | None = None, limit: int = 1000) -> tuple[StoredCredential, ...]:
        """Return credentials reserved (before ``before_us``) and neither issued nor rejected, oldest first."""
        async with self._database.read() as connection:
            return await select_pending(connection, before_us, limit)

    async def evidence(self, digest: str) -> bytes | None:
        """Return the telemetry record with this digest, byte for byte as it was stored, or None."""
        async with self._database.read() as connection:
            return (await connection.execute(select(EVIDENCE.c.body).where(EVIDENCE.c.digest == digest))).scalar()


async def _find(connection: AsyncConnection, request: Reservation) -> RowMapping | None:
    if request.supersedes:
        same = _ROW.supersedes == request.supersedes
    elif request.inference_id is not None:
        same = (_ROW.tenant_id == request.tenant_id) & (_ROW.inference_id == request.inference_id)
    elif request.window_id is not None:
        same = (_ROW.window_id == request.window_id) & (_ROW.credential_type == request.credential_type)
    else:
        return None
    query = (
        select(CREDENTIAL, CREDENTIAL_BYTES.c.unsecured, CREDENTIAL_BYTES.c.document, STATUS_ENTRY.c.superseded_us)
        .join(CREDENTIAL_BYTES, CREDENTIAL_BYTES.c.credential_id == _ROW.id)
        .join(STATUS_ENTRY, STATUS_ENTRY.c.credential_id == _ROW.id)
        .where(same, _ROW.state != "rejected")
    )
    return current_of((await connection.execute(query)).mappings().all())


async def _explain_no_rejection(connection: AsyncConnection, credential_id: str) -> None:
    state = (await connection.execute(select(_ROW.state).where(_ROW.id == credential_id))).scalar()
    if state is None:
        raise NotFoundError(f"there is no credential {credential_id!r}")
    if state == "issued":
        raise ConflictError("the credential was issued; revoke it instead")
