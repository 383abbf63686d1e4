"""Invitations of nodes: a token that opens once."""

from __future__ import annotations

from sqlalchemy import RowMapping, select, update

from issuer.store.database import AsyncConnection, Database
from issuer.store.errors import InvitationSpentError, NotFoundError
from issuer.store.log import append_entry
from issuer.store.models import ENROLMENT_TOKEN, NODE
from issuer.store.records import Invitation, NodeRecord
from issuer.store.rows import column_values, read_record
from schemas.strict_json import JsonObject

_TOKEN = ENROLMENT_TOKEN.c


class Enrolments:
    """The invitations, by the SHA-256 of their token (32 bytes); the token itself is never stored."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def invite(self, invitation: Invitation) -> None:
        """Store an invitation. Raises ConflictError if the token is known, NotFoundError for an unknown tenant."""
        async with self._database.write() as connection:
            await connection.execute(ENROLMENT_TOKEN.insert().values(column_values(invitation)))

    async def open(self, now_us: int, tenant_id: str | None = None) -> tuple[Invitation, ...]:
        """Return a tenant's invitations (None: all) that are neither used nor over, by node, the oldest first."""
        query = (
            select(ENROLMENT_TOKEN)
            .where(_TOKEN.used_us.is_(None), _TOKEN.expires_us > now_us)
            .order_by(_TOKEN.node_id, _TOKEN.created_us, _TOKEN.token_sha256)
        )
        if tenant_id is not None:
            query = query.where(_TOKEN.tenant_id == tenant_id)
        async with self._database.read() as connection:
            found = (await connection.execute(query)).mappings().all()
        return tuple(read_record(Invitation, row) for row in found)

    async def cancel(self, node_id: str, now_us: int) -> int:
        """End the open invitations of a node now and return how many they were."""
        change = (
            update(ENROLMENT_TOKEN)
            .where(_TOKEN.node_id == node_id, _TOKEN.used_us.is_(None), _TOKEN.expires_us > now_us)
            .values(expires_us=now_us)
        )
        async with self._database.write() as connection:
            return (await connection.execute(change)).rowcount

    async def consume(self, token_sha256: bytes, now_us: int) -> Invitation:
        """Use a token up and return its invitation: of any number of callers exactly one gets it.

        Raises NotFoundError for an unknown token, InvitationSpentError for a used or expired one.
        """
        async with self._database.write() as connection:
            return await consume(connection, token_sha256, now_us, key_uri=None)

    async def enrol(self, token_sha256: bytes, jwk: JsonObject, key_uri: str, now_us: int) -> NodeRecord:
        """Use a token up and return the node that it registers, in one transaction, with its entry in the audit log.

        An agent whose answer was lost may ask again: the same token with the same key returns the same node.
        Raises NotFoundError, InvitationSpentError, and ConflictError if the node id or the key is taken.
        """
        async with self._database.write() as connection:
            try:
                invitation = await consume(connection, token_sha256, now_us, key_uri=key_uri)
            except InvitationSpentError:
                earlier = await _enrolled(connection, token_sha256, key_uri)
                if earlier is None:
                    raise
                return read_record(NodeRecord, earlier)
            node = invited(invitation, jwk, key_uri, now_us)
            await connection.execute(NODE.insert().values(column_values(node)))
            # Here, not in the caller: asked again and again for the same node, the log must not grow each time.
            await append_entry(
                connection, at_us=now_us, actor=f"node:{node.id}", action="enrol", target=node.id, detail=key_uri
            )
        return node


async def consume(connection: AsyncConnection, token_sha256: bytes, now_us: int, *, key_uri: str | None) -> Invitation:
    """Use a token up as part of the caller's transaction. Raises NotFoundError, InvitationSpentError."""
    # One conditional UPDATE decides who is first, in both databases.
    change = (
        update(ENROLMENT_TOKEN)
        .where(_TOKEN.token_sha256 == token_sha256, _TOKEN.used_us.is_(None), _TOKEN.expires_us > now_us)
        .values(used_us=now_us, used_by_key_uri=key_uri)
        .returning(ENROLMENT_TOKEN)
    )
    row = (await connection.execute(change)).mappings().first()
    if row is not None:
        return read_record(Invitation, row)
    known = select(_TOKEN.used_us).where(_TOKEN.token_sha256 == token_sha256)
    if (await connection.execute(known)).first() is None:
        raise NotFoundError("the enrolment token is not known here")
    raise InvitationSpentError("the enrolment token was used or has expired; ask for a new one")


async def _enrolled(connection: AsyncConnection, token_sha256: bytes, key_uri: str) -> RowMapping | None:
    query = (
        select(NODE)
        .join(ENROLMENT_TOKEN, _TOKEN.used_by_key_uri == NODE.c.key_uri)
        .where(_TOKEN.token_sha256 == token_sha256, NODE.c.key_uri == key_uri)
    )
    return (await connection.execute(query)).mappings().first()


def invited(invitation: Invitation, jwk: JsonObject, key_uri: str, now_us: int) -> NodeRecord:
    """Return the node that an invitation settles, with its key."""
    return NodeRecord(
        id=invitation.node_id,
        tenant_id=invitation.tenant_id,
        jwk=jwk,
        key_uri=key_uri,
        grid_region=invitation.grid_region,
        tdp_w=invitation.tdp_w,
        accelerator_model=invitation.accelerator_model,
        pue=invitation.pue,
        pue_kind=invitation.pue_kind,
        pue_source=invitation.pue_source,
        claims_profile=invitation.claims_profile,
        simulated=invitation.simulated,
        created_us=now_us,
    )
