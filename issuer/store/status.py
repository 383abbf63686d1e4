"""The status of credentials: one row an index, so that no two writers ever overwrite each other's bits."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Row, Update, select, update

from issuer.store.database import AsyncConnection, Database
from issuer.store.errors import AlreadyRevokedError, NotFoundError, OutdatedError, RevokedError, SuspendedError
from issuer.store.log import append_entry
from issuer.store.models import CREDENTIAL, STATUS_ENTRY, STATUS_LIST
from issuer.store.records import Purpose, StatusEntryRecord, StatusListRecord, StatusSnapshot
from issuer.store.rows import read_record
from issuer.store.selections import MEASURED_TYPE, WINDOW_TYPE, select_current_of_window, select_successor
from schemas import bitstring

_ENTRY = STATUS_ENTRY.c
_LIST = STATUS_LIST.c


class Status:
    """Revocation and suspension. ``tenant_id`` names whose credential it may be; None: anybody's.

    What happens to a window's credential happens, in the same transaction, to every credential made from the window:
    so each of those says by its own bit whether it stands, and no reader has to look at two.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def revoke(self, credential_id: str, reason: str, actor: str, now_us: int, *, tenant_id: str | None) -> bool:
        """Revoke a credential for good. Return whether it was not revoked before.

        Raises NotFoundError, and AlreadyRevokedError for one that was superseded: the one in its place is meant.
        """
        async with self._database.write() as connection:
            entry = await _entry(connection, credential_id, tenant_id)
            change = _at(entry).where(_ENTRY.revoked_us.is_(None)).values(revoked_us=now_us)
            changed = (await connection.execute(change)).rowcount == 1
            if changed:
                carried = await _carry(connection, entry, _ENTRY.revoked_us.is_(None), revoked_us=now_us)
                await _record(connection, entry, "revoke", carried, actor=actor, reason=reason, now_us=now_us)
            else:
                await _refuse_superseded(connection, credential_id)
        return changed

    async def suspend(self, credential_id: str, reason: str, actor: str, now_us: int, *, tenant_id: str | None) -> bool:
        """Suspend a credential. Return whether it was not suspended before.

        Raises NotFoundError, AlreadyRevokedError.
        """
        async with self._database.write() as connection:
            entry = await _entry(connection, credential_id, tenant_id)
            open_ = (_ENTRY.revoked_us.is_(None), _ENTRY.suspended_us.is_(None))
            change = _at(entry).where(*open_).values(suspended_us=now_us)
            changed = (await connection.execute(change)).rowcount == 1
            if changed:
                carried = await _carry(connection, entry, *open_, suspended_us=now_us)
                await _record(connection, entry, "suspend", carried, actor=actor, reason=reason, now_us=now_us)
            else:
                await _refuse_revoked(connection, credential_id)
        return changed

    async def reinstate(
        self, credential_id: str, reason: str, actor: str, now_us: int, *, tenant_id: str | None
    ) -> bool:
        """End a suspension. Return whether the credential was suspended.

        With a window's end the suspensions that began with it; what was suspended by itself before stays so. Raises
        NotFoundError, AlreadyRevokedError: a revocation never reverts, and SuspendedError where the window's is on.
        """
        async with self._database.write() as connection:
            entry = await _entry(connection, credential_id, tenant_id)
            if entry.revoked_us is None and entry.window_id is not None and entry.credential_type == MEASURED_TYPE:
                await check_window(connection, entry.window_id)
            locked = select(_ENTRY.suspended_us).where(*_place(entry)).with_for_update()
            since_us = (await connection.execute(locked)).scalar()
            change = _at(entry).where(_ENTRY.revoked_us.is_(None), _ENTRY.suspended_us.is_not(None))
            changed = (await connection.execute(change.values(suspended_us=None))).rowcount == 1
            if changed:
                with_it = (_ENTRY.revoked_us.is_(None), _ENTRY.suspended_us == since_us)
                carried = await _carry(connection, entry, *with_it, suspended_us=None)
                await _record(connection, entry, "reinstate", carried, actor=actor, reason=reason, now_us=now_us)
            else:
                await _refuse_revoked(connection, credential_id)
        return changed

    async def entry(self, credential_id: str, *, tenant_id: str | None) -> StatusEntryRecord:
        """Return the status of a credential. Raises NotFoundError."""
        async with self._database.read() as connection:
            found = await _entry(connection, credential_id, tenant_id)
        return StatusEntryRecord(
            credential_id=found.credential_id,
            list_id=found.list_id,
            index=found.idx,
            revoked_us=found.revoked_us,
            suspended_us=found.suspended_us,
            superseded_us=found.superseded_us,
        )

    async def lists(self, issuer_slug: str) -> tuple[StatusListRecord, ...]:
        """Return the issuer's status lists, oldest first."""
        query = select(STATUS_LIST).where(_LIST.issuer_slug == issuer_slug).order_by(_LIST.number)
        async with self._database.read() as connection:
            found = (await connection.execute(query)).mappings().all()
        return tuple(read_record(StatusListRecord, row) for row in found)

    async def get(self, list_id: str) -> StatusListRecord | None:
        """Return the status list with this id, or None."""
        async with self._database.read() as connection:
            return await _status_list(connection, list_id)

    async def version(self, list_id: str) -> int:
        """Return the number of changes that the list has seen. Raises NotFoundError."""
        async with self._database.read() as connection:
            return _known(await _status_list(connection, list_id), list_id).version

    async def bits(self, list_id: str, purpose: Purpose) -> bytearray:
        """Return the list's bits, MSB-first (size / 8 bytes). Raises NotFoundError."""
        return bytearray((await self.snapshot(list_id, purpose)).bits)

    async def snapshot(self, list_id: str, purpose: Purpose) -> StatusSnapshot:
        """Return the bits of one purpose with the version that they belong to. Raises NotFoundError."""
        column = _ENTRY.revoked_us if purpose == "revocation" else _ENTRY.suspended_us
        query = select(_ENTRY.idx).where(_ENTRY.list_id == list_id, column.is_not(None))
        async with self._database.read() as connection:
            # The version is read first: the bits may be newer than it says, and are then signed again, never older.
            status_list = _known(await _status_list(connection, list_id), list_id)
            indexes = (await connection.execute(query)).scalars().all()
        bits = bytearray(status_list.size // 8)
        for index in indexes:
            bitstring.set_bit(bits, index)
        return StatusSnapshot(status_list=status_list, purpose=purpose, bits=bytes(bits))

    async def close_lists(self, issuer_slug: str, *, now_us: int) -> int:
        """Give out no more indexes of the lists so far, and return how many were open.

        To be called after a backup was restored: it does not know which indexes were given out since.
        """
        change = update(STATUS_LIST).where(_LIST.issuer_slug == issuer_slug, _LIST.closed_us.is_(None))
        async with self._database.write() as connection:
            return (await connection.execute(change.values(closed_us=now_us))).rowcount


async def count_change(connection: AsyncConnection, list_id: str, now_us: int) -> None:
    """Raise the list's version within the caller's transaction, so that it is signed and published anew."""
    change = update(STATUS_LIST).where(_LIST.id == list_id)
    await connection.execute(change.values(version=_LIST.version + 1, changed_us=now_us))


async def check_window(connection: AsyncConnection, window_id: int, named: str | None = None) -> None:
    """Return if the credential of a window is valid, which then stays so until the caller's transaction ends.

    To be called before the transaction locks anything else of a status list: who revokes a window's credential locks
    that first. Raises RevokedError, SuspendedError, NotFoundError where the window has none, and OutdatedError where
    it is another one than ``named`` by now.
    """
    row = await select_current_of_window(connection, window_id, keep=True)
    if row is None:
        raise NotFoundError("the window has no credential")
    if named is not None and (row["id"] != named or row["superseded_us"] is not None):
        raise OutdatedError(f"the credential of its window, {named}, was superseded meanwhile; ask again")
    if row["revoked_us"] is not None:
        raise RevokedError(f"the credential of its window, {row['id']}, was revoked, and so is whatever rests on it")
    if row["suspended_us"] is not None:
        raise SuspendedError(f"the credential of its window, {row['id']}, is suspended; reinstate that one first")


async def _carry(
    connection: AsyncConnection, entry: Row[Any], *where: ColumnElement[bool], **values: int | None
) -> tuple[int, tuple[str, ...]]:
    """Change what was made from a window with its credential; return how many that were, and in which lists.

    One statement, however many: a window has up to 50,000, and each of their lists is signed anew once.
    """
    if entry.credential_type != WINDOW_TYPE or entry.window_id is None:
        return 0, ()
    made = (CREDENTIAL.c.window_id == entry.window_id, CREDENTIAL.c.credential_type == MEASURED_TYPE)
    change = update(STATUS_ENTRY).where(_ENTRY.credential_id.in_(select(CREDENTIAL.c.id).where(*made)), *where)
    count = (await connection.execute(change.values(**values))).rowcount
    lists = await connection.execute(select(CREDENTIAL.c.list_id).where(*made).distinct())
    return count, tuple(lists.scalars())


async def _record(
    connection: AsyncConnection,
    entry: Row[Any],
    action: str,
    carried: tuple[int, tuple[str, ...]],
    *,
    actor: str,
    reason: str,
    now_us: int,
) -> None:
    count, lists = carried
    # In one order everywhere, and last: two that wait for each other would end in a deadlock.
    for list_id in sorted({entry.list_id, *(lists if count else ())}):
        await count_change(connection, list_id, now_us)
    detail = f"{reason} (with {count} made from its window)".strip() if count else reason
    await append_entry(connection, at_us=now_us, actor=actor, action=action, target=entry.credential_id, detail=detail)


def _place(entry: Row[Any]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _ENTRY.list_id == entry.list_id, _ENTRY.idx == entry.idx


def _at(entry: Row[Any]) -> Update:
    return update(STATUS_ENTRY).where(*_place(entry))


async def _entry(connection: AsyncConnection, credential_id: str, tenant_id: str | None) -> Row[Any]:
    query = (
        select(STATUS_ENTRY, CREDENTIAL.c.credential_type, CREDENTIAL.c.window_id)
        .join(CREDENTIAL, CREDENTIAL.c.id == _ENTRY.credential_id)
        .where(_ENTRY.credential_id == credential_id)
    )
    if tenant_id is not None:
        query = query.where(CREDENTIAL.c.tenant_id == tenant_id)
    row = (await connection.execute(query)).first()
    if row is None:
        raise NotFoundError(f"there is no credential {credential_id!r}")
    return row


async def _refuse_superseded(connection: AsyncConnection, credential_id: str) -> None:
    query = select(_ENTRY.superseded_us).where(_ENTRY.credential_id == credential_id)
    if (await connection.execute(query)).scalar() is None:
        return
    successor = await select_successor(connection, credential_id)
    by = "with its window's; ask for the inference's certificate" if successor is None else f"by {successor}"
    raise AlreadyRevokedError(
        f"the credential was superseded {by}: what is to happen to its claim happens to the new one"
    )


async def _refuse_revoked(connection: AsyncConnection, credential_id: str) -> None:
    await _refuse_superseded(connection, credential_id)
    query = select(_ENTRY.revoked_us).where(_ENTRY.credential_id == credential_id)
    if (await connection.execute(query)).scalar() is not None:
        raise AlreadyRevokedError


async def _status_list(connection: AsyncConnection, list_id: str) -> StatusListRecord | None:
    row = (await connection.execute(select(STATUS_LIST).where(_LIST.id == list_id))).mappings().first()
    return None if row is None else read_record(StatusListRecord, row)


def _known(status_list: StatusListRecord | None, list_id: str) -> StatusListRecord:
    if status_list is None:
        raise NotFoundError(f"there is no status list {list_id!r}")
    return status_list
