"""The way of a record to its credential, in the one order that survives a crash at any point.

    parse → node → signature → seen before? → fresh, plausible → reserve (one transaction: id, status index,
    frozen bytes) → wait for issuanceDate → lint → sign → verify that signature → complete → answer

Whoever asks twice gets the same credential, however late and of whichever process: the reservation is unique
by tenant and inference, its bytes are frozen with it, and the first complete document stands. A crash
after the reservation is mended by the client's retry or by ``resume_pending``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from issuer import credential, generic, intake, prepare
from issuer.addresses import Addresses
from issuer.carbon.account import EnergyClaim, account
from issuer.carbon.choose import Period
from issuer.carbon.known import KnownGrid
from issuer.claims import completeness
from issuer.claims.completeness import CompletenessPolicy
from issuer.clock import Clock
from issuer.completion import Completion, Resumed
from issuer.credential import Assignment, ContextForm
from issuer.errors import CredentialRefusedError, LintError, MisdatedError, NodeRevokedError, UnknownNodeError
from issuer.intake import AcceptedTelemetry
from issuer.keyring import Keyring
from issuer.reissue import Reissue
from issuer.store.errors import ConflictError, NotFoundError
from issuer.store.records import NodeRecord, Reservation, Reserved, StoredCredential, TenantRecord
from issuer.store.store import Store
from issuer.windows.intake import WindowIssuance
from issuer.windows.reading import WindowReading
from schemas import decimals, digests, jcs, times
from schemas.strict_json import JsonObject
from schemas.telemetry import PostedTelemetry, TelemetryRecord, check_new_names, parse_telemetry
from verifier.case import Engines
from verifier.http.limits import RateLimit

_REFUSALS_PER_MINUTE: Final = 10
"""So many of a revoked node's records go on record, for each node and worker."""

_NOBODY = Reserved(id="00000000-0000-7000-8000-000000000000", list_id="draft", index=0, reserved_us=0)


class IssuedCredential(msgspec.Struct, frozen=True, kw_only=True):
    """An issued credential: its id in the store, its bytes, and whether this very request reserved it."""

    id: str
    document: bytes
    created: bool


class Issuance:
    """Issues credentials; one for the whole service, safe for many requests at once."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        clock: Clock,
        addresses: Addresses,
        engines: Engines,
        *,
        context_form: ContextForm = "inline",
        self_verify: bool = True,
        completeness: CompletenessPolicy = completeness.DEFAULT,
        grid: KnownGrid | None = None,
    ) -> None:
        """Hold the parts. ``engines``: ``closed`` in this process, ``general`` in a killable worker.

        ``grid``: what is stored of the grid's data; without it claims are made by the annual tables.
        """
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._addresses = addresses
        self._engines = engines
        self._context_form: ContextForm = context_form
        self._on_record = RateLimit(_REFUSALS_PER_MINUTE, subject="revoked node")
        self._completion = Completion(store, keyring, clock, engines, self_verify=self_verify)
        self.grid = KnownGrid(store.grid) if grid is None else grid
        parts = (store, keyring, clock, addresses, self._completion)
        self.reissue = Reissue(*parts, grid=self.grid, context_form=context_form)
        self.windows = WindowIssuance(*parts, context_form=context_form, completeness=completeness, grid=self.grid)
        self.reading = WindowReading(*parts, context_form=context_form, completeness=completeness, grid=self.grid)

    async def issue_telemetry(self, raw: bytes) -> IssuedCredential:
        """Return the credential of a posted record: ``accept``, then ``issue``; raises as they do."""
        return await self.issue(await self.accept(raw))

    async def accept(self, raw: bytes) -> AcceptedTelemetry:
        """Return a posted record once its signature is known to be its node's; nothing is written.

        What costs a node something (its rate limit) comes after this, so that no stranger can spend it. Raises
        FormatError (not a record), UnknownNodeError, NodeRevokedError, BadSignatureError.
        """
        return await self._accept(parse_telemetry(raw))

    async def issue(self, accepted: AcceptedTelemetry) -> IssuedCredential:
        """Return the credential of an accepted record: a new one, or the one that the same record had before.

        Raises ConflictError (the inference has another body), MalformedValueError (a name that no new record may
        have), StaleTimestampError, FutureTimestampError, ImplausibleEnergyError, OverloadedError (it ends ahead of our
        clock, and too many wait), and what Completion.complete raises.
        """
        try:
            return await self._issue(accepted)
        except MisdatedError:
            # The clock was set back after the reservation, which is gone now; the record itself is as good as ever.
            return await self._issue(accepted)

    async def issue_generic(self, tenant_id: str, asked: JsonObject) -> IssuedCredential:
        """Return a new credential of another type for a tenant. Raises CredentialRefusedError, NotFoundError.

        There is no idempotency: VC API gives the request no key, so each call makes a credential. Of one tenant, one
        is in work at a time; OverloadedError where its turn does not come soon.
        """
        tenant = await self._tenant(tenant_id)
        async with self._completion.strangers.turn(tenant.id):
            return await self._issue_generic(tenant, asked)

    async def _issue_generic(self, tenant: TenantRecord, asked: JsonObject) -> IssuedCredential:
        key = await self._keyring.active(tenant.issuer_slug)
        now = self._clock.now()
        drafted = generic.draft(asked, key.issuer_did, self._addresses, now)
        # Checked under a placeholder first: what is refused should use up no status index.
        await self._completion.strangers.run(self._check_draft, drafted)
        now_us = times.to_microseconds(now)
        request = Reservation(
            issuer_slug=tenant.issuer_slug,
            tenant_id=tenant.id,
            inference_id=None,
            body_digest=digests.digest(jcs.canonical_bytes(drafted)),
            now_us=now_us,
            period_end_us=now_us,
            credential_type=generic.type_of(drafted),
        )
        reserved = await self._store.credentials.reserve(
            request, lambda reserved: credential.encode(generic.complete(drafted, reserved, self._addresses))
        )
        return await self._finish(reserved, tenant.issuer_slug, "")

    async def resume_pending(self) -> Resumed:
        """Complete what a stopped process left reserved: to be called once at start, and harmless at any time."""
        return await self._completion.resume()

    async def _accept(self, posted: PostedTelemetry) -> AcceptedTelemetry:
        node = await self._store.nodes.get(posted.record.node_id)
        if node is None:
            raise UnknownNodeError(f"no node {posted.record.node_id!r} is registered here; enrol it first")
        try:
            return intake.accept(posted, node)
        except NodeRevokedError as error:
            await self._record_refusal(posted, node, error)
            raise

    async def _record_refusal(self, posted: PostedTelemetry, node: NodeRecord, error: NodeRevokedError) -> None:
        # Only what the node's key did sign goes on record, and not all of it: else any stranger could fill the log,
        # which is never shortened, or whoever has a revoked node's key.
        if intake.is_signed(posted, node) and self._on_record.has_room(node.id):
            now_us = times.to_microseconds(self._clock.now())
            await self._store.log.append(now_us, f"node:{node.id}", "refuse", posted.record.inference_id, error.detail)

    async def _issue(self, accepted: AcceptedTelemetry) -> IssuedCredential:
        tenant = await self._tenant(accepted.node.tenant_id)
        known = await self._store.credentials.by_inference(tenant.id, accepted.record.inference_id)
        if known is None:
            return await self._finish(await self._reserve(accepted, tenant), tenant.issuer_slug, accepted.node.id)
        _check_same(known, accepted)
        return await self._finish(_as_found(known), known.issuer_slug, accepted.node.id)

    async def _reserve(self, accepted: AcceptedTelemetry, tenant: TenantRecord) -> Reserved:
        now = self._clock.now()
        check_new_names(accepted.record.model_id, accepted.record.inference_id)
        intake.check_fresh(accepted, now)
        intake.check_plausible(accepted)
        # Without a key that works nothing is reserved: the node keeps its record and sends it again.
        key = await self._keyring.active(tenant.issuer_slug)
        period, now_us = _period(accepted.record), times.to_microseconds(now)
        known = await self.grid.of(accepted.node.grid_region, period.start_us, period.end_us)
        chosen = known.chosen(period, now_us)
        marginal = await self.grid.marginal(accepted.node.grid_region, period, now_us)
        claim = account(accepted.record, accepted.node, chosen.factor, marginal=marginal)
        date = credential.issuance_date(now, accepted.record.timestamp)
        # Nothing is reserved for a record that is sent again later anyway.
        self._completion.waiting.check(date, accepted.node.id)

        def build(reserved: Reserved) -> bytes:
            assignment = Assignment(
                issuer_did=key.issuer_did,
                tenant=tenant,
                reserved=reserved,
                issuance_date=date,
                addresses=self._addresses,
                context_form=self._context_form,
            )
            return credential.encode(credential.build(claim, accepted, assignment))

        request = msgspec.structs.replace(
            _reservation(accepted, claim, tenant, now_us),
            attachments=chosen.attachments,
            provisional=known.provisional(chosen, period),
        )
        return await self._store.credentials.reserve(request, build)

    async def _finish(self, reserved: Reserved, issuer_slug: str, node_id: str) -> IssuedCredential:
        document = reserved.document
        if document is None:
            stored = await self._completion.complete(reserved.id, issuer_slug, reserved.unsecured, node_id=node_id)
            document = stored.document
        if document is None:
            raise NotFoundError(f"the credential {reserved.id!r} has no document")
        return IssuedCredential(id=reserved.id, document=document, created=reserved.fresh)

    async def _tenant(self, tenant_id: str) -> TenantRecord:
        tenant = await self._store.tenants.get(tenant_id)
        if tenant is None:
            raise NotFoundError(f"there is no tenant {tenant_id!r}")
        return tenant

    def _check_draft(self, drafted: JsonObject) -> None:
        completed = generic.complete(drafted, _NOBODY, self._addresses)
        try:
            prepared = prepare.lint(credential.encode(completed), self._engines).redeem()
        except LintError as error:
            raise CredentialRefusedError(f"the credential cannot be signed: {error.detail}") from error
        generic.check_vocabulary(prepared.canonical)
        generic.check_statements(prepared.canonical, completed, self._addresses)


def _check_same(known: StoredCredential, accepted: AcceptedTelemetry) -> None:
    if known.body_digest != accepted.posted.body_digest:
        raise ConflictError(
            f"the inference {accepted.record.inference_id!r} has a credential already, {known.id}, made from another "
            "record; give each inference an id of its own"
        )


def _as_found(known: StoredCredential) -> Reserved:
    return Reserved(
        id=known.id,
        list_id=known.list_id,
        index=known.index,
        reserved_us=known.reserved_us,
        unsecured=known.unsecured,
        document=known.document,
        issued_us=known.issued_us,
        fresh=False,
    )


def _period(record: TelemetryRecord) -> Period:
    start = record.period_start
    return Period(
        start_us=None if start is None else times.to_microseconds(start),
        end_us=times.to_microseconds(record.timestamp),
        it_mj=decimals.mj_from_kwh(record.energy_kwh),
    )


def _reservation(accepted: AcceptedTelemetry, claim: EnergyClaim, tenant: TenantRecord, now_us: int) -> Reservation:
    record, period = accepted.record, _period(accepted.record)
    return Reservation(
        issuer_slug=tenant.issuer_slug,
        tenant_id=tenant.id,
        inference_id=record.inference_id,
        body_digest=accepted.posted.body_digest,
        now_us=now_us,
        period_start_us=period.start_us,
        period_end_us=period.end_us,
        node_id=accepted.node.id,
        model_id=record.model_id,
        energy_kwh=decimals.render(claim.energy_kwh),
        operational_emissions_gco2e=decimals.render(claim.operational_emissions_gco2e),
        emission_factor_type=claim.grid.factor_type,
        assurance=accepted.assurance,
        simulated=accepted.simulated,
        record_digest=accepted.posted.record_digest,
        record=accepted.posted.record_bytes,
    )
