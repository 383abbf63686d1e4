"""The way of a window to its credential.

    first line → node → signature → seen before? → records, sums, Merkle root → one transaction: follows the chain,
    nonce, whose each inference is, credential id and status index, frozen bytes → wait for issuanceDate → lint → sign →
    verify that signature → complete → answer

A window that was seen before gets the same answer, however old it is; another one in its place is refused, with the
name of the credential that stands. Idempotency comes before freshness.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import msgspec

from issuer.addresses import Addresses
from issuer.carbon.known import KnownGrid
from issuer.claims import completeness
from issuer.claims.completeness import CompletenessPolicy
from issuer.clock import Clock
from issuer.completion import Completion
from issuer.credential import ContextForm
from issuer.errors import MisdatedError, NodeRevokedError, UnknownNodeError
from issuer.keyring import Keyring
from issuer.store.errors import NotFoundError
from issuer.store.records import NodeRecord, TenantRecord
from issuer.store.store import Store
from issuer.store.window_records import StoredWindow
from issuer.store.windows import Offer, Taken
from issuer.turns import Turns
from issuer.windows import check, request
from issuer.windows.compression import Coding
from issuer.windows.making import Making, SignedWindow, Stamp, make
from issuer.windows.plan import Plan, tenant_names
from schemas import base64url, digests, times
from schemas.errors import GreenError
from schemas.strict_json import JsonObject
from schemas.window_header import NONCE_BYTES
from verifier.attestation.errors import AttestationError, ForkError
from verifier.attestation.freshness import NONCE_VALIDITY_US, IssuedNonce
from verifier.http.limits import RateLimit

NONCE_VALIDITY: Final = timedelta(microseconds=NONCE_VALIDITY_US)
MAX_NONCES: Final = 16
"""Unused nonces that a node may have at once."""

_NONCES_PER_WINDOW: Final = 2
_AT_ONCE: Final = 2
"""Windows that are read at once, by one worker: each may take a hundred megabytes. One of a node: others get on."""

_LINE: Final = 3
"""Windows of one node that wait for that."""

_WAIT_S: Final = 20.0

_REFUSALS_PER_MINUTE: Final = 10


class IssuedWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A window that was taken: whose, its digest, its credential's id, the node's next nonces, whether it is new.

    ``tenants`` is what the node's records may name, None where that is not told: too many, or a repeat, which a
    stranger may have sent.
    """

    node_id: str
    digest: str
    credential_id: str
    nonces: tuple[str, ...]
    created: bool
    tenants: tuple[str, ...] | None = None


class WindowIssuance:
    """Takes windows; one for the whole service, safe for many requests at once."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        clock: Clock,
        addresses: Addresses,
        completion: Completion,
        *,
        context_form: ContextForm = "inline",
        completeness: CompletenessPolicy = completeness.DEFAULT,
        draw: Callable[[int], bytes] = secrets.token_bytes,
        grid: KnownGrid | None = None,
    ) -> None:
        """Hold the parts. ``completeness``: which windows are flagged; ``draw`` gives random bytes, for nonces.

        ``grid`` as in issuer.issuance.
        """
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._addresses = addresses
        self._completion = completion
        self._context_form: ContextForm = context_form
        self._completeness = completeness
        self._draw = draw
        self._grid = KnownGrid(store.grid) if grid is None else grid
        self._turns = Turns("windows of this node", each=1, most=_AT_ONCE, wait_s=_WAIT_S, line=_LINE)
        self._on_record = RateLimit(_REFUSALS_PER_MINUTE, subject="node")

    async def accept(self, body: bytes, coding: Coding) -> SignedWindow | IssuedWindow:
        """Return a request once its header's signature is known to be its node's; nothing is written.

        Where the key that signed it has been superseded since, the answer is returned that the window got then. Raises WindowBodyError, FormatError (the first line is no evidence), UnknownNodeError, NodeRevokedError, and
        AttestationError where the signature is not the node's.
        """
        line = await asyncio.to_thread(request.read_first_line, body, coding)
        node = await self._store.nodes.get(line.header.node_id)
        if node is None:
            raise UnknownNodeError(f"no node {line.header.node_id!r} is registered here; enrol it first")
        try:
            window = await asyncio.to_thread(check.check_signed, line, node)
        except NodeRevokedError as error:
            if self._on_record.has_room(node.id):
                place = f"window {line.header.boot_epoch}/{line.header.sequence}"
                await self._store.log.append(self._now_us(), f"node:{node.id}", "refuse", place, error.detail)
            raise
        except AttestationError:
            answered = await self._answered_before(line, node)
            if answered is None:
                raise
            return answered
        return SignedWindow(line, window, node, body, coding)

    async def _answered_before(self, line: request.FirstLine, node: NodeRecord) -> IssuedWindow | None:
        """Return the answer to a window whose very evidence was taken under a key of the node before; None else.

        It shows nothing that the evidence's holder was not told, and writes nothing: no nonces, no credential.
        """
        known = await self._store.windows.find(node.id, line.header.boot_epoch, line.header.sequence)
        if node.state != "active" or known is None or known.evidence_digest != digests.digest(line.evidence):
            return None
        credential_id = await self._store.windows.credential_id(known.id)
        if credential_id is None:
            return None
        return IssuedWindow(node_id=node.id, digest=known.digest, credential_id=credential_id, nonces=(), created=False)

    async def was_taken(self, signed: SignedWindow) -> bool:
        """Return whether this very window was taken before: then anybody may have sent it, who has its credential."""
        header = signed.window.header
        known = await self._store.windows.find(header.node_id, header.boot_epoch, header.sequence)
        return known is not None and known.digest == signed.window.digest

    async def issue(self, signed: SignedWindow) -> IssuedWindow:
        """Return the answer to a window: taken now, or the answer that it had before.

        Raises ForkError (another window stands in its place), FormatError and RecordsMismatchError for its records,
        StaleTimestampError, NonceError, ChainError, WindowEnergyError, and what Completion.complete raises.
        """
        header = signed.window.header
        known = await self._store.windows.find(header.node_id, header.boot_epoch, header.sequence)
        if known is None:
            # Before it is read: a node that was away for long has many of them.
            check.check_age(header, self._now_us())
            taken = await self._take(signed)
            if taken is not None:
                return taken
            known = await self._store.windows.find(header.node_id, header.boot_epoch, header.sequence)
        if known is None:
            raise NotFoundError("the window is not there any more")
        return await self._again(known, signed)

    async def give_nonces(self, node_id: str, count: int) -> tuple[str, ...]:
        """Return fresh nonces for a node, as many as it may still have, and no more than ``count``."""
        now_us = self._now_us()
        return await self._store.windows.give_nonces(
            node_id, self._nonces(node_id, min(count, MAX_NONCES), now_us), MAX_NONCES, now_us
        )

    async def tenant_names(self, node: NodeRecord) -> tuple[str, ...] | None:
        """Return what a node's records may name, ids and subjects of its tenants; None where they are too many."""
        own, others = await self._tenants(node)
        names = tenant_names((*others, own))
        return None if names is None else tuple(names)

    async def _again(self, known: StoredWindow, signed: SignedWindow) -> IssuedWindow:
        credential_id = await self._store.windows.credential_id(known.id)
        if known.digest != signed.window.digest:
            of_it = (
                "" if credential_id is None else f", with the credential {self._addresses.credential(credential_id)}"
            )
            raise ForkError(
                f"header: window {known.epoch}/{known.sequence} of this node was taken before as {known.digest}{of_it}"
            )
        # None are fresh: whoever repeats it may be a stranger, and would take them out of the node's number. Without the
        # node's key they are good for nothing; the node whose answer was lost has use for them.
        nonces = await self._store.windows.nonces_given(known, self._now_us())
        if credential_id is None:
            # Its credential was rejected (made while our clock ran ahead); the window itself stands.
            credential_id = await self._reserve_anew(known, signed)
        await self._complete(credential_id, signed.node.id)
        return IssuedWindow(
            node_id=known.node_id, digest=known.digest, credential_id=credential_id, nonces=nonces, created=False
        )

    async def _take(self, signed: SignedWindow) -> IssuedWindow | None:
        """Return the answer to a new window; None where its place was taken meanwhile."""
        making = await self._making(signed)
        try:
            taken = await self._store.windows.take(
                Offer(
                    entry=making.entry,
                    records=making.plan.places,
                    settle=making.settle,
                    reservation=making.reservation,
                    build=making.build,
                    nonces=self._nonces(making.entry.node_id, _NONCES_PER_WINDOW, making.entry.received_us),
                    max_outstanding=MAX_NONCES,
                )
            )
        except AttestationError as error:
            await self._note_refusal(signed, error)
            raise
        if taken.reserved is None:
            return None
        reserved = taken.reserved
        try:
            await self._completion.complete(
                reserved.id, making.entry.issuer_slug, reserved.unsecured, node_id=making.entry.node_id
            )
        except MisdatedError:
            reserved_id = await self._reserve_anew(taken.window, signed)
            await self._complete(reserved_id, signed.node.id)
            return _new(taken, reserved_id, making.plan)
        return _new(taken, reserved.id, making.plan)

    async def _making(self, signed: SignedWindow) -> Making:
        node = signed.node
        own, others = await self._tenants(node)
        # Without a key that works nothing is taken: the node keeps its window and sends it again.
        key = await self._keyring.active(own.issuer_slug)
        stamp = Stamp(key.issuer_did, self._clock.now(), self._addresses, self._context_form, self._completeness)
        header = signed.window.header
        known = await self._grid.of(node.grid_region, header.start_us, header.end_us)
        async with self._turns.of(node.id):
            return await asyncio.to_thread(make, signed, (own, *others), stamp, known)

    async def _reserve_anew(self, known: StoredWindow, signed: SignedWindow) -> str:
        making = await self._making(signed)
        reservation = msgspec.structs.replace(making.reservation, window_id=known.id)
        reserved = await self._store.credentials.reserve(reservation, making.build)
        return reserved.id

    async def _complete(self, credential_id: str, node_id: str) -> None:
        stored = await self._store.credentials.by_id(credential_id, tenant_id=None)
        if stored is None:
            raise NotFoundError(f"the credential {credential_id!r} is not there")
        if stored.document is None:
            await self._completion.complete(stored.id, stored.issuer_slug, stored.unsecured, node_id=node_id)

    async def _tenants(self, node: NodeRecord) -> tuple[TenantRecord, list[TenantRecord]]:
        own = await self._store.tenants.get(node.tenant_id)
        if own is None:
            raise NotFoundError(f"there is no tenant {node.tenant_id!r}")
        others = [await self._store.tenants.get(name) for name in await self._store.windows.allowed(node.id)]
        return own, [tenant for tenant in others if tenant is not None]

    async def _note_refusal(self, signed: SignedWindow, error: GreenError) -> None:
        header = signed.window.header
        if self._on_record.has_room(header.node_id):
            refusal: JsonObject = {
                "at": times.render_seconds(self._clock.now()),
                "boot_epoch": header.boot_epoch,
                "sequence": header.sequence,
                "window": signed.window.digest,
                "problem": error.name,
                "detail": error.detail,
            }
            await self._store.windows.note_refusal(header.node_id, msgspec.json.encode(refusal).decode())

    def _nonces(self, node_id: str, count: int, now_us: int) -> list[IssuedNonce]:
        expires_us = now_us + NONCE_VALIDITY // timedelta(microseconds=1)
        return [
            IssuedNonce(nonce=base64url.encode(self._draw(NONCE_BYTES)), node_id=node_id, expires_us=expires_us)
            for _ in range(count)
        ]

    def _now_us(self) -> int:
        return times.to_microseconds(self._clock.now())


def _new(taken: Taken, credential_id: str, plan: Plan) -> IssuedWindow:
    window = taken.window
    return IssuedWindow(
        node_id=window.node_id,
        digest=window.digest,
        credential_id=credential_id,
        nonces=taken.nonces,
        created=True,
        tenants=None if plan.names is None else tuple(plan.names),
    )
