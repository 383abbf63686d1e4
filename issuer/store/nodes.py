"""The nodes: which key signs a GPU node's telemetry, for which tenant, on which grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import select, update

from issuer.store.database import Database
from issuer.store.errors import NotFoundError
from issuer.store.log import append_entry
from issuer.store.models import NODE
from issuer.store.records import NodeRecord
from issuer.store.rows import column_values, read_object, read_record
from schemas.strict_json import JsonObject

T = TypeVar("T")


class Nodes:
    """The nodes, by id. A revoked node stays, so that its old evidence can still be checked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, node: NodeRecord) -> NodeRecord:
        """Return the node once it is stored.

        Raises ConflictError if its id or key is taken, NotFoundError for an unknown tenant.
        """
        async with self._database.write() as connection:
            await connection.execute(NODE.insert().values(column_values(node)))
        return node

    async def get(self, node_id: str) -> NodeRecord | None:
        """Return the node with this id, or None. Its ``state`` may be "revoked"."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(NODE).where(NODE.c.id == node_id))).mappings().first()
        return None if row is None else read_record(NodeRecord, row)

    async def all(self, tenant_id: str | None) -> tuple[NodeRecord, ...]:
        """Return the nodes of a tenant (None: of all), by id."""
        query = select(NODE).order_by(NODE.c.id)
        if tenant_id is not None:
            query = query.where(NODE.c.tenant_id == tenant_id)
        async with self._database.read() as connection:
            found = (await connection.execute(query)).mappings().all()
        return tuple(read_record(NodeRecord, row) for row in found)

    async def regions(self) -> tuple[str, ...]:
        """Return the grid regions that active nodes are registered in, each once."""
        query = select(NODE.c.grid_region).where(NODE.c.state == "active").distinct().order_by(NODE.c.grid_region)
        async with self._database.read() as connection:
            return tuple((await connection.execute(query)).scalars())

    async def node_key(self, thumbprint_uri: str) -> JsonObject | None:
        """Return the public JWK with this thumbprint URI, of a revoked node too, or None."""
        async with self._database.read() as connection:
            text = (await connection.execute(select(NODE.c.jwk).where(NODE.c.key_uri == thumbprint_uri))).scalar()
        return None if text is None else read_object(text)

    async def revoke(self, node_id: str) -> bool:
        """Take no more telemetry of a node. Return whether it was active until now. Raises NotFoundError."""
        change = update(NODE).where(NODE.c.id == node_id, NODE.c.state == "active").values(state="revoked")
        async with self._database.write() as connection:
            if (await connection.execute(change)).rowcount == 1:
                return True
            if (await connection.execute(select(NODE.c.id).where(NODE.c.id == node_id))).first() is None:
                raise _unknown(node_id)
        return False

    async def accept_gap(
        self, node_id: str, accept: Callable[[NodeRecord], tuple[str, T]], *, actor: str, reason: str, now_us: int
    ) -> T:
        """Return the gap that ``accept`` gives beside the node's chain, which is stored and logged in one transaction.

        Raises NotFoundError, and what ``accept`` raises.
        """
        async with self._database.write() as connection:
            query = select(NODE).where(NODE.c.id == node_id).with_for_update()
            row = (await connection.execute(query)).mappings().first()
            if row is None:
                raise _unknown(node_id)
            chain_state, gap = accept(read_record(NodeRecord, row))
            await connection.execute(update(NODE).where(NODE.c.id == node_id).values(chain_state=chain_state))
            detail = f"{gap}: {reason}" if reason else f"{gap}"
            await append_entry(
                connection, at_us=now_us, actor=actor, action="accept-gap", target=node_id, detail=detail
            )
        return gap

    async def change(
        self, node_id: str, decide: Callable[[NodeRecord], dict[str, Any]], *, actor: str, now_us: int
    ) -> dict[str, Any]:
        """Return the columns that ``decide`` gives for the node and that differ, stored and logged in one transaction.

        Nothing is logged where none differs. Raises NotFoundError, and what ``decide`` raises.
        """
        async with self._database.write() as connection:
            query = select(NODE).where(NODE.c.id == node_id).with_for_update()
            row = (await connection.execute(query)).mappings().first()
            if row is None:
                raise _unknown(node_id)
            wanted = decide(read_record(NodeRecord, row))
            changed = {name: value for name, value in wanted.items() if row[name] != value}
            if changed:
                await connection.execute(update(NODE).where(NODE.c.id == node_id).values(**changed))
                detail = "; ".join(f"{name}: {row[name]} -> {value}" for name, value in changed.items())
                await append_entry(
                    connection, at_us=now_us, actor=actor, action="update-node", target=node_id, detail=detail
                )
        return changed

    async def set_region(self, node_id: str, grid_region: str) -> None:
        """Change the node's grid region from now on. Raises NotFoundError."""
        await self._set(node_id, grid_region=grid_region)

    async def set_power(self, node_id: str, tdp_w: int) -> None:
        """Change the power that the node's accelerators can draw together. Raises NotFoundError."""
        await self._set(node_id, tdp_w=tdp_w)

    async def set_pue(self, node_id: str, pue: str | None, kind: str | None, source: str | None) -> None:
        """Change or remove the node's power usage effectiveness. Raises NotFoundError."""
        await self._set(node_id, pue=pue, pue_kind=kind, pue_source=source)

    async def _set(self, node_id: str, **columns: str | int | None) -> None:
        async with self._database.write() as connection:
            done = await connection.execute(update(NODE).where(NODE.c.id == node_id).values(**columns))
            if done.rowcount == 0:
                raise _unknown(node_id)


def _unknown(node_id: str) -> NotFoundError:
    return NotFoundError(f"there is no node {node_id!r}")
