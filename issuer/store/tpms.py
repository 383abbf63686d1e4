"""TPMs: the certificates that are trusted, enrolments under way, and the nodes that come of them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct
from sqlalchemy import delete, select, update

from issuer.store.database import AsyncConnection, Database
from issuer.store.enrolments import consume
from issuer.store.errors import ConflictError, InvitationSpentError, NotFoundError
from issuer.store.log import append_entry
from issuer.store.models import ENROLMENT_TOKEN, EVIDENCE, NODE
from issuer.store.records import Invitation, NodeRecord
from issuer.store.rows import column_values, read_record
from issuer.store.window_models import NONCE, TPM_CHALLENGE, TPM_ROOT
from schemas import digests
from verifier.attestation.freshness import IssuedNonce

_ROOT = TPM_ROOT.c
_CHALLENGE = TPM_CHALLENGE.c
_KEPT_US = 3_600_000_000

MAX_OPEN = 4
"""Challenges of one token at once: an agent asks again where an answer was lost."""


class StoredCertificate(Struct, frozen=True, kw_only=True):
    """A certificate (DER) by its SHA-256; ``root_class`` None: chains are built from it, and none ends there."""

    fingerprint: str
    certificate: bytes
    root_class: str | None
    manufacturer: str
    added_us: int


class StoredChallenge(Struct, frozen=True, kw_only=True):
    """An enrolment under way; ``details`` is what was checked of the TPM (JSON), ``secret_sha256`` what it must return."""

    id: str
    token_sha256: bytes
    details: str
    secret_sha256: bytes
    nonce: str
    expires_us: int


class Tpms:
    """Certificates and enrolments of TPMs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def certificates(self) -> tuple[StoredCertificate, ...]:
        """Return all certificates, by fingerprint."""
        async with self._database.read() as connection:
            found = (await connection.execute(select(TPM_ROOT).order_by(_ROOT.fingerprint))).mappings().all()
        return tuple(read_record(StoredCertificate, row) for row in found)

    async def add_certificate(self, certificate: StoredCertificate) -> bool:
        """Keep a certificate, and return whether that changed something: it may become a root, never be one no more."""
        async with self._database.write() as connection:
            query = select(_ROOT.root_class).where(_ROOT.fingerprint == certificate.fingerprint)
            row = (await connection.execute(query)).first()
            if row is None:
                await connection.execute(TPM_ROOT.insert().values(column_values(certificate)))
                return True
            if certificate.root_class is None or row.root_class == certificate.root_class:
                return False
            change = update(TPM_ROOT).where(_ROOT.fingerprint == certificate.fingerprint)
            await connection.execute(change.values(root_class=certificate.root_class))
            return True

    async def remove_certificate(self, fingerprint: str) -> bool:
        """Forget a certificate, and return whether it was there. What is enrolled stays so."""
        async with self._database.write() as connection:
            done = await connection.execute(delete(TPM_ROOT).where(_ROOT.fingerprint == fingerprint))
            return done.rowcount == 1

    async def invitation(self, token_sha256: bytes, now_us: int) -> Invitation:
        """Return what an open token invites to, which stays open. Raises NotFoundError, InvitationSpentError."""
        token = ENROLMENT_TOKEN.c
        async with self._database.read() as connection:
            query = select(ENROLMENT_TOKEN).where(token.token_sha256 == token_sha256)
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise NotFoundError("the enrolment token is not known here")
        if row["used_us"] is not None or row["expires_us"] <= now_us:
            raise InvitationSpentError("the enrolment token was used or has expired; ask for a new one")
        return read_record(Invitation, row)

    async def enrolled(self, token_sha256: bytes, used_since_us: int) -> NodeRecord | None:
        """Return the node that has its present key by this token, used at ``used_since_us`` or later; else None."""
        token = ENROLMENT_TOKEN.c
        query = select(NODE).join(ENROLMENT_TOKEN, token.used_by_key_uri == NODE.c.key_uri)
        async with self._database.read() as connection:
            recent = (token.token_sha256 == token_sha256, token.used_us >= used_since_us)
            row = (await connection.execute(query.where(*recent))).mappings().first()
        return None if row is None else read_record(NodeRecord, row)

    async def node_of(self, ek_digest: str) -> NodeRecord | None:
        """Return the node of a TPM, or None."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(NODE).where(NODE.c.ek_digest == ek_digest))).mappings().first()
        return None if row is None else read_record(NodeRecord, row)

    async def begin(self, challenge: StoredChallenge, now_us: int) -> None:
        """Remember a challenge; those that ended an hour ago are forgotten, and of the same token all but the newest few."""
        others = select(_CHALLENGE.id).where(_CHALLENGE.token_sha256 == challenge.token_sha256)
        newest_first = others.order_by(_CHALLENGE.used_us.is_not(None), _CHALLENGE.expires_us.desc(), _CHALLENGE.id)
        async with self._database.write() as connection:
            await connection.execute(delete(TPM_CHALLENGE).where(_CHALLENGE.expires_us < now_us - _KEPT_US))
            of_token = (await connection.execute(newest_first)).scalars().all()
            too_many = of_token[MAX_OPEN - 1 :]
            if too_many:
                await connection.execute(delete(TPM_CHALLENGE).where(_CHALLENGE.id.in_(too_many)))
            await connection.execute(TPM_CHALLENGE.insert().values(used_us=None, **msgspec.structs.asdict(challenge)))

    async def answer(self, challenge_id: str, secret_sha256: bytes, now_us: int) -> StoredChallenge | None:
        """Return a challenge to whoever first answers it with its secret, in time; None to everybody else.

        A wrong answer leaves it as it is: the id is no secret, and nobody may use up a challenge that is another's.
        """
        use = (
            update(TPM_CHALLENGE)
            .where(_CHALLENGE.id == challenge_id, _CHALLENGE.secret_sha256 == secret_sha256)
            .where(_CHALLENGE.used_us.is_(None), _CHALLENGE.expires_us > now_us)
            .values(used_us=now_us)
            .returning(TPM_CHALLENGE)
        )
        async with self._database.write() as connection:
            row = (await connection.execute(use)).mappings().first()
        return None if row is None else read_record(StoredChallenge, row)

    async def enrol(
        self,
        challenge: StoredChallenge,
        node: NodeRecord,
        documents: Sequence[bytes],
        nonces: tuple[IssuedNonce, ...],
        now_us: int,
        *,
        known: NodeRecord | None,
    ) -> NodeRecord:
        """Return the node, registered with its TPM or with a new key of the same TPM, its token used, in one transaction.

        ``known`` is the node as the caller read it, and made ``node`` from it; None where there was none.
        ``documents`` are kept as evidence by their digests: the enrolment record, and the certificates that it names.
        Nonces that the key before has not used are void: it uses none any more, and they would be in the new one's way.
        Raises NotFoundError, InvitationSpentError (the token was used meanwhile), ConflictError: the node id, the key or
        the TPM is another node's, the node is revoked, or its windows went on meanwhile.
        """
        async with self._database.write() as connection:
            await consume(connection, challenge.token_sha256, now_us, key_uri=node.key_uri)
            query = select(NODE).where(NODE.c.id == node.id).with_for_update()
            row = (await connection.execute(query)).mappings().first()
            columns = column_values(node)
            if row is None:
                await connection.execute(NODE.insert().values(columns))
            else:
                await _supersede(connection, read_record(NodeRecord, row), node, known)
                await connection.execute(delete(NONCE).where(NONCE.c.node_id == node.id, NONCE.c.used_by.is_(None)))
            for body in documents:
                insert = self._database.insert(EVIDENCE).values(digest=digests.digest(body), body=body)
                await connection.execute(insert.on_conflict_do_nothing(index_elements=["digest"]))
            if nonces:
                await connection.execute(
                    NONCE.insert(), [{**msgspec.structs.asdict(one), "used_by": None} for one in nonces]
                )
            await append_entry(
                connection,
                at_us=now_us,
                actor=f"node:{node.id}",
                action="enrol-tpm",
                target=node.id,
                detail=f"{node.attestation} {node.ek_digest} {node.key_uri}",
            )
        return node


async def _supersede(
    connection: AsyncConnection, stored: NodeRecord, node: NodeRecord, known: NodeRecord | None
) -> None:
    """Give a node the new attestation key of its own TPM; ``stored`` is locked. Raises ConflictError."""
    if stored.ek_digest != node.ek_digest:
        raise ConflictError(
            f"the node {node.id!r} is bound to another TPM, or to a software key; invite it under a new id"
        )
    if stored.state != "active":
        raise ConflictError(f"the node {node.id!r} is revoked, and so is its TPM")
    # The new chain goes on from what was read: where that moved, one period would be taken once under each key.
    if known is None or (stored.chain_state, stored.ak_digest) != (known.chain_state, known.ak_digest):
        raise ConflictError(f"the node {node.id!r} went on while it was enrolled; enrol again, with the same token")
    change = update(NODE).where(NODE.c.id == node.id)
    own = ("jwk", "key_uri", "ak", "ak_digest", "attestation", "enrolment_digest", "chain_pcr", "chain_state")
    values = column_values(node)
    await connection.execute(change.values({name: values[name] for name in own} | {"refusal": None}))
