"""Windows: taken in one transaction with the node's chain, the nonce, whose each inference is, and the credential."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import delete, func, select, text, update

from issuer.store.credentials import Credentials, RaceLostError
from issuer.store.database import AsyncConnection, Database
from issuer.store.errors import NotFoundError, SerializationError, UnavailableError
from issuer.store.figures import parts_of
from issuer.store.models import CREDENTIAL, EVIDENCE, NODE
from issuer.store.nonces import find as find_nonce
from issuer.store.nonces import give as give_nonces
from issuer.store.nonces import given as nonces_given
from issuer.store.nonces import use as use_nonce
from issuer.store.records import NodeRecord, Reservation, Reserved, StoredCredential
from issuer.store.reported import further_of_share
from issuer.store.rows import read_record
from issuer.store.selections import WINDOW_TYPE, select_current_of_window, select_singles
from issuer.store.window_models import INFERENCE, NODE_TENANT, WINDOW, WINDOW_SHARE
from issuer.store.window_records import Place, Settled, StoredWindow, TenantPlaces, WindowEntry
from verifier.attestation.freshness import IssuedNonce

_ATTEMPTS: Final = 8
_CHUNK: Final = 500
_COLUMNS: Final = [column for column in WINDOW.c if column.name != "body"]

# One statement for thousands of rows: it runs without the interpreter's lock, beside the reading of other windows.
# In one order everywhere: two windows with the same ids then wait for each other, and never in a circle.
_INDEX: Final = (
    "INSERT INTO inference (tenant_id, inference_id, window_id, idx) "
    "SELECT CAST(:tenant AS text), named.key, CAST(:window AS bigint), CAST(named.value AS integer) "
    "FROM {each}(CAST(:indexes AS {json})) AS named WHERE true ORDER BY named.key ON CONFLICT DO NOTHING"
)
_INDEX_SQLITE: Final = text(_INDEX.format(each="json_each", json="text"))
_INDEX_POSTGRESQL: Final = text(_INDEX.format(each="json_each_text", json="json"))

Settle = Callable[[NodeRecord, "IssuedNonce | None", frozenset[int]], Settled]
"""Gives what follows from a window for the node as it stands, its nonce, and the indexes of records whose inference was
known before; raises where the window does not follow."""


class Offer(NamedTuple):
    """A window to be taken: what is stored, what is decided within the transaction, and nonces for the next ones."""

    entry: WindowEntry
    records: Sequence[TenantPlaces]
    settle: Settle
    reservation: Reservation
    build: Callable[[Reserved], bytes]
    nonces: Sequence[IssuedNonce]
    max_outstanding: int


class Taken(NamedTuple):
    """A window in the store, its credential's reservation, and the nonces that the node may use next."""

    window: StoredWindow
    reserved: Reserved | None
    nonces: tuple[str, ...] = ()


class Windows:
    """The windows of all nodes."""

    def __init__(self, database: Database, credentials: Credentials) -> None:
        self._database = database
        self._credentials = credentials

    async def take(self, offer: Offer) -> Taken:
        """Return the stored window with its credential's reservation, all in one transaction.

        Where the same place of the node's chain is taken, by this window or another, that one is returned with
        ``reserved`` None, and nothing is written. What ``settle`` or ``build`` raises leaves nothing behind. Raises
        NotFoundError for an unknown node, UnavailableError.
        """
        for _ in range(_ATTEMPTS):
            try:
                async with self._database.write() as connection:
                    entry = offer.entry
                    node = await _locked_node(connection, entry.node_id)
                    known = await _find(connection, entry.node_id, entry.epoch, entry.sequence)
                    return await self._take(connection, node, offer) if known is None else Taken(known, None)
            except (RaceLostError, SerializationError):
                continue
        raise UnavailableError("too many windows of the same node at once; try again")

    async def _take(self, connection: AsyncConnection, node: NodeRecord, offer: Offer) -> Taken:
        entry = offer.entry
        nonce = None if entry.nonce is None else await find_nonce(connection, entry.nonce)
        # Before anything is written: a window that does not follow costs no index.
        settled = offer.settle(node, nonce, frozenset())
        window_id = await self._next_id(connection)
        known = await self._index(connection, window_id, offer.records)
        if known:
            settled = offer.settle(node, nonce, known)
        await connection.execute(
            self._database.insert(EVIDENCE)
            .values(digest=entry.evidence_digest, body=entry.evidence)
            .on_conflict_do_nothing(index_elements=["digest"])
        )
        columns = msgspec.structs.asdict(entry)
        del columns["evidence"], columns["nonce"]
        await connection.execute(WINDOW.insert().values(id=window_id, flags=settled.flags, **columns))
        await self._insert_shares(connection, window_id, entry, settled)
        reserved = await self._credentials.reserve_in(
            connection, msgspec.structs.replace(offer.reservation, window_id=window_id), offer.build
        )
        change = update(NODE).where(NODE.c.id == entry.node_id)
        await connection.execute(change.values(chain_state=settled.chain_state, refusal=None))
        if entry.nonce is not None:
            await use_nonce(connection, entry.nonce, entry.digest)
        given = await give_nonces(
            connection, entry.node_id, offer.nonces, offer.max_outstanding, entry.received_us, entry.digest
        )
        stored = StoredWindow(
            id=window_id,
            flags=settled.flags,
            **{name: value for name, value in columns.items() if name != "body"},
        )
        return Taken(stored, reserved, given)

    async def _next_id(self, connection: AsyncConnection) -> int:
        if self._database.is_sqlite:
            # BEGIN IMMEDIATE: nobody else writes meanwhile.
            query = select(func.coalesce(func.max(WINDOW.c.id), 0) + 1)
        else:
            query = select(text("nextval(pg_get_serial_sequence('telemetry_window', 'id'))"))
        return int((await connection.execute(query)).scalar_one())

    async def _index(
        self, connection: AsyncConnection, window_id: int, records: Sequence[TenantPlaces]
    ) -> frozenset[int]:
        """Enter the inferences, and return the indexes of those whose id the tenant has used before."""
        known: set[int] = set()
        for one in records:
            if await self._insert_places(connection, window_id, one) != len(one.places):
                known |= await _not_mine(connection, window_id, one)
        return frozenset(known)

    async def _insert_places(self, connection: AsyncConnection, window_id: int, one: TenantPlaces) -> int:
        # Of two records with the same id the first one stands.
        indexes = msgspec.json.encode(dict(reversed(one.places))).decode()
        statement = _INDEX_SQLITE if self._database.is_sqlite else _INDEX_POSTGRESQL
        parameters = {"tenant": one.tenant_id, "window": window_id, "indexes": indexes}
        return (await connection.execute(statement, parameters)).rowcount

    async def _insert_shares(
        self, connection: AsyncConnection, window_id: int, entry: WindowEntry, settled: Settled
    ) -> None:
        rows = []
        for share in settled.shares:
            energy, emissions = parts_of(share.energy_kwh), parts_of(share.operational_emissions_gco2e)
            rows.append(
                {
                    "window_id": window_id,
                    "tenant_id": share.tenant_id,
                    "model_id": share.model_id,
                    "end_us": entry.end_us,
                    "count": share.count,
                    "emission_factor_type": share.emission_factor_type,
                    "simulated": int(share.simulated),
                    **{f"energy_{name}": value for name, value in energy._asdict().items()},
                    **{f"emissions_{name}": value for name, value in emissions._asdict().items()},
                    **further_of_share(share.further),
                }
            )
        if rows:
            await connection.execute(WINDOW_SHARE.insert(), rows)

    async def find(self, node_id: str, epoch: str, sequence: int) -> StoredWindow | None:
        """Return the window at this place of a node's chain, or None."""
        async with self._database.read() as connection:
            return await _find(connection, node_id, epoch, sequence)

    async def get(self, window_id: int) -> StoredWindow | None:
        """Return a window by its row, or None."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(*_COLUMNS).where(WINDOW.c.id == window_id))).mappings().first()
        return None if row is None else read_record(StoredWindow, row)

    async def last(self, node_id: str) -> StoredWindow | None:
        """Return the newest window of a node, or None."""
        async with self._database.read() as connection:
            query = select(*_COLUMNS).where(WINDOW.c.node_id == node_id).order_by(WINDOW.c.id.desc()).limit(1)
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else read_record(StoredWindow, row)

    async def flags(self, node_id: str, limit: int = 100) -> tuple[StoredWindow, ...]:
        """Return a node's newest windows of which something was told, the newest first."""
        query = select(*_COLUMNS).where(WINDOW.c.node_id == node_id, WINDOW.c.flags != "[]")
        async with self._database.read() as connection:
            found = (await connection.execute(query.order_by(WINDOW.c.id.desc()).limit(limit))).mappings().all()
        return tuple(read_record(StoredWindow, row) for row in found)

    async def body(self, window_id: int) -> bytes | None:
        """Return a window's request as it is kept (issuer.windows.compression), or None."""
        async with self._database.read() as connection:
            return (await connection.execute(select(WINDOW.c.body).where(WINDOW.c.id == window_id))).scalar()

    async def place(self, tenant_id: str, inference_id: str) -> tuple[int, int] | None:
        """Return the window (its row) and the index in it of an inference; None where no window has it."""
        query = select(INFERENCE.c.window_id, INFERENCE.c.idx).where(
            INFERENCE.c.tenant_id == tenant_id,
            INFERENCE.c.inference_id == inference_id,
            INFERENCE.c.window_id.is_not(None),
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else (row.window_id, row.idx)

    async def tenants_in(self, window_id: int) -> frozenset[str]:
        """Return whose records a window has."""
        query = select(WINDOW_SHARE.c.tenant_id).where(WINDOW_SHARE.c.window_id == window_id).distinct()
        async with self._database.read() as connection:
            return frozenset((await connection.execute(query)).scalars().all())

    async def in_period(
        self, tenant_id: str | None, since_us: int | None, until_us: int | None, after_id: int, limit: int
    ) -> tuple[int, ...]:
        """Return windows (rows above ``after_id``) with records of a tenant (None: anybody's) that ended in a period."""
        share = WINDOW_SHARE.c
        query = select(share.window_id).where(share.window_id > after_id).distinct()
        if tenant_id is not None:
            query = query.where(share.tenant_id == tenant_id)
        if since_us is not None:
            query = query.where(share.end_us >= since_us)
        if until_us is not None:
            query = query.where(share.end_us < until_us)
        async with self._database.list_rows(tenant_id) as connection:
            found = await connection.execute(query.order_by(share.window_id).limit(limit))
            return tuple(found.scalars().all())

    async def owned(self, window_id: int, records: TenantPlaces) -> frozenset[int]:
        """Return the indexes of those records that are a tenant's inferences, each measured here and nowhere before."""
        async with self._database.read() as connection:
            every = {index for _, index in records.places}
            return frozenset(every - await _not_mine(connection, window_id, records))

    async def singles(self, window_id: int) -> tuple[StoredCredential, ...]:
        """Return the issued credentials of a window's inferences."""
        async with self._database.read() as connection:
            return await select_singles(connection, window_id)

    async def credential_id(self, window_id: int) -> str | None:
        """Return the id of a window's credential that counts, None where it was rejected."""
        async with self._database.read() as connection:
            row = await select_current_of_window(connection, window_id)
        return None if row is None else str(row["id"])

    async def first_credential_id(self, window_id: int) -> str | None:
        """Return the id of a window's first credential, whichever counts now; None where it was rejected."""
        query = select(CREDENTIAL.c.id).where(
            CREDENTIAL.c.window_id == window_id,
            CREDENTIAL.c.credential_type == WINDOW_TYPE,
            CREDENTIAL.c.state != "rejected",
            CREDENTIAL.c.supersedes == "",
        )
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar()

    async def note_refusal(self, node_id: str, refusal: str) -> None:
        """Remember the newest window of a node that did not follow (JSON)."""
        async with self._database.write() as connection:
            await connection.execute(update(NODE).where(NODE.c.id == node_id).values(refusal=refusal))

    async def give_nonces(
        self, node_id: str, offered: Sequence[IssuedNonce], max_outstanding: int, now_us: int
    ) -> tuple[str, ...]:
        """Return those that are offered which the node may use: so many that at most ``max_outstanding`` are unused."""
        async with self._database.write() as connection:
            await _locked_node(connection, node_id)
            return await give_nonces(connection, node_id, offered, max_outstanding, now_us)

    async def nonces_given(self, window: StoredWindow, now_us: int) -> tuple[str, ...]:
        """Return the nonces that came with the answer to a window, those that are still unused and good."""
        async with self._database.read() as connection:
            return await nonces_given(connection, window.node_id, window.digest, now_us)

    async def allow(self, node_id: str, tenant_id: str) -> bool:
        """Let a node's records be a tenant's, and return whether they could not before. Raises NotFoundError."""
        insert = self._database.insert(NODE_TENANT).values(node_id=node_id, tenant_id=tenant_id)
        async with self._database.write() as connection:
            done = await connection.execute(insert.on_conflict_do_nothing(index_elements=["node_id", "tenant_id"]))
            return done.rowcount == 1

    async def disallow(self, node_id: str, tenant_id: str) -> bool:
        """Take that back, and return whether it was so."""
        own = (NODE_TENANT.c.node_id == node_id, NODE_TENANT.c.tenant_id == tenant_id)
        async with self._database.write() as connection:
            return (await connection.execute(delete(NODE_TENANT).where(*own))).rowcount == 1

    async def allowed(self, node_id: str) -> tuple[str, ...]:
        """Return for which tenants besides its own a node's records may be."""
        query = select(NODE_TENANT.c.tenant_id).where(NODE_TENANT.c.node_id == node_id)
        async with self._database.read() as connection:
            return tuple(sorted((await connection.execute(query)).scalars().all()))


async def _locked_node(connection: AsyncConnection, node_id: str) -> NodeRecord:
    # SQLite has one writer anyway; in PostgreSQL two windows of one node must not both follow the same state.
    row = (await connection.execute(select(NODE).where(NODE.c.id == node_id).with_for_update())).mappings().first()
    if row is None:
        raise NotFoundError(f"there is no node {node_id!r}")
    return read_record(NodeRecord, row)


async def _find(connection: AsyncConnection, node_id: str, epoch: str, sequence: int) -> StoredWindow | None:
    query = select(*_COLUMNS).where(WINDOW.c.node_id == node_id, WINDOW.c.epoch == epoch, WINDOW.c.sequence == sequence)
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else read_record(StoredWindow, row)


async def _not_mine(connection: AsyncConnection, window_id: int, one: TenantPlaces) -> set[int]:
    """Return the indexes of records whose inference id stands for another record."""
    found: set[int] = set()
    for chunk in _chunks(one.places):
        query = select(INFERENCE.c.inference_id, INFERENCE.c.idx).where(
            INFERENCE.c.tenant_id == one.tenant_id,
            INFERENCE.c.inference_id.in_([name for name, _ in chunk]),
            INFERENCE.c.window_id == window_id,
        )
        mine = {(row.inference_id, row.idx) for row in await connection.execute(query)}
        found |= {index for name, index in chunk if (name, index) not in mine}
    return found


def _chunks(places: Sequence[Place]) -> Iterator[Sequence[Place]]:
    for begin in range(0, len(places), _CHUNK):
        yield places[begin : begin + _CHUNK]
