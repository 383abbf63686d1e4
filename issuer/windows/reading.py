"""Reading windows again: a record with its way to the root, and the single credential of an inference.

A receipt is made whenever it is asked for; the credential once: the reservation is unique by tenant and inference, so
however many ask at the same moment, in whatever process, there is one, and everybody gets its bytes.
"""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from issuer import credential
from issuer.addresses import Addresses
from issuer.carbon.choose import Period
from issuer.carbon.known import KnownGrid
from issuer.claims import completeness
from issuer.claims.completeness import CompletenessPolicy
from issuer.claims.market import MarginalFactor
from issuer.clock import Clock
from issuer.completion import Completion
from issuer.credential import Assignment, ContextForm
from issuer.keyring import Keyring
from issuer.store.errors import NotFoundError, OutdatedError, RevokedError, SuspendedError
from issuer.store.records import NodeRecord, Reservation, Reserved, StoredCredential, TenantRecord
from issuer.store.store import Store
from issuer.store.window_records import StoredWindow
from issuer.turns import Turns
from issuer.windows.credential import (
    RecordFigures,
    SignedBy,
    WindowOfRecord,
    build_record,
    check_draft,
    figures_of,
    superseding,
)
from issuer.windows.making import NOBODY
from issuer.windows.opened import Opened, OpenedWindows, Placed
from schemas import decimals, strict_json, times
from schemas.receipt import Inclusion, Receipt, build_receipt
from schemas.strict_json import JsonObject
from schemas.window_header import decode_header
from schemas.window_record import WindowRecord

_AT_ONCE: Final = 2
_WAIT_S: Final = 10.0
"""A window is inflated and hashed whole to place one record of it: a few at once, one of a tenant."""

_ATTEMPTS: Final = 3
"""So often a credential is built anew because its window's was superseded meanwhile."""

_STRANGERS: Final = ""
"""Whose turn it is where nobody says who asks; no tenant has this id."""


class _Asked(NamedTuple):
    """What belongs to one single credential: its receipt, of which window's credential it is made, in whose place."""

    receipt: bytes
    window_credential: str
    supersedes: str


class WindowReading:
    """Receipts and single credentials of windows; one for the whole service."""

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
        grid: KnownGrid | None = None,
    ) -> None:
        """Hold the parts. ``completeness``: how much of a window has to be measured for a single credential.

        ``grid`` as in issuer.issuance: marginal factors are the only ones that are not the window's.
        """
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._addresses = addresses
        self._completion = completion
        self._context_form: ContextForm = context_form
        self._completeness = completeness
        self._grid = KnownGrid(store.grid) if grid is None else grid
        self._opened = OpenedWindows()
        self._turns = Turns("windows to be read", each=1, most=_AT_ONCE, wait_s=_WAIT_S)

    async def receipt(self, tenant_id: str, inference_id: str) -> bytes | None:
        """Return the receipt of an inference (JCS); None where no window has it.

        A receipt has no status but its window's credential's, so none is handed out any more where the inference's own
        credential was revoked or suspended: RevokedError, SuspendedError, as where the window's was.
        """
        place = await self._store.windows.place(tenant_id, inference_id)
        if place is None:
            return None
        self._check_window(await self._row_of(place[0]))
        own = await self._store.credentials.by_inference(tenant_id, inference_id)
        if own is not None and own.revoked_us is not None and own.superseded_us is None:
            raise RevokedError(f"the credential of this inference, {self._addresses.credential(own.id)}, was revoked")
        if own is not None and own.suspended_us is not None:
            raise SuspendedError(
                f"the credential of this inference, {self._addresses.credential(own.id)}, is suspended"
            )
        async with self._turns.of(tenant_id):
            return await self._receipt(*place, await self._store.windows.credential_id(place[0]))

    async def receipt_of_record(self, record_digest: str) -> bytes | None:
        """Return the receipt of the record with this leaf hash, for an older credential that names no more; else None.

        It was kept when that credential was made; one from before that is made now, one at a time of all, and kept.
        Raises OverloadedError.
        """
        kept = await self._store.receipts.body(record_digest)
        place = None if kept is not None else await self._store.receipts.place(record_digest)
        if place is None:
            return kept
        async with self._turns.of(_STRANGERS):
            # Those who waited find what the first one made.
            kept = await self._store.receipts.body(record_digest)
            if kept is None:
                # The credential that was made from this one, so named in it.
                kept = await self._receipt(*place, await self._store.windows.first_credential_id(place[0]))
                await self._store.receipts.keep(record_digest, kept)
        return kept

    async def credential(self, tenant_id: str, inference_id: str) -> StoredCredential | None:
        """Return the single credential of an inference of a window, made now if nobody has asked; None where no window has it.

        One that was made from a credential of the window that was superseded is superseded by one that is made now.
        Raises RevokedError or SuspendedError where the window's credential is not valid, also where it is so no more
        when it comes to the reservation; LowCoverageError, ImplausibleClaimError, and as Completion.complete.
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._credential(tenant_id, inference_id)
            except OutdatedError:
                # The window's credential was superseded while this one was built from it: build it from the new one.
                continue
        return await self._credential(tenant_id, inference_id)

    async def _credential(self, tenant_id: str, inference_id: str) -> StoredCredential | None:
        place = await self._store.windows.place(tenant_id, inference_id)
        tenant = await self._store.tenants.get(tenant_id)
        if place is None or tenant is None:
            return None
        own = await self._store.credentials.by_inference(tenant_id, inference_id)
        before = own.id if own is not None and own.is_outdated else ""
        window_id, index = place
        window = await self._window(window_id)
        async with self._turns.of(tenant_id):
            placed = await self._placed(window, index)
        issued = await self._credential_of(window)
        self._check_window(issued)
        node = await self._store.nodes.get(window.node_id)
        of_window = WindowOfRecord(
            header=decode_header(window.header),
            digest=window.digest,
            signed_by=SignedBy(
                evidence_digest=window.evidence_digest,
                enrolment_digest=window.enrolment_digest,
                hardware_id=None if window.enrolment_digest is None or node is None else node.ek_digest,
                assurance=window.assurance,
            ),
            credential=strict_json.parse_object(issued.document or b""),
        )
        self._completeness.check_single(of_window.claims)
        asked = _Asked(self._receipt_of(window, placed, issued.id), issued.id, before)
        reserved_us = await self._reserved_us(window) if "embodiedEmissionsGco2e" in of_window.claims else 0
        marginal = None if node is None else await self._marginal(node, placed.record, of_window.claims)
        figures = figures_of(placed.record, of_window, reserved_us=reserved_us, marginal=marginal)
        reserved = await self._reserve(tenant, window, placed, of_window, figures, asked)
        if reserved.document is None:
            await self._completion.complete(reserved.id, tenant.issuer_slug, reserved.unsecured)
        return await self._store.credentials.by_id(reserved.id, tenant_id=tenant_id)

    async def _reserve(  # noqa: PLR0917 - the parts of one document
        self,
        tenant: TenantRecord,
        window: StoredWindow,
        placed: Placed,
        of_window: WindowOfRecord,
        figures: RecordFigures,
        asked: _Asked,
    ) -> Reserved:
        key = await self._keyring.active(tenant.issuer_slug)
        now, record = self._clock.now(), placed.record
        date = credential.issuance_date(now, times.from_microseconds(of_window.header.end_us))

        def document(reserved: Reserved) -> JsonObject:
            assignment = Assignment(
                issuer_did=key.issuer_did,
                tenant=tenant,
                reserved=reserved,
                issuance_date=date,
                addresses=self._addresses,
                context_form=self._context_form,
            )
            built = build_record(record, placed.index, placed.digest, figures, of_window, assignment)
            return superseding(built, self._addresses.credential(asked.supersedes)) if asked.supersedes else built

        check_draft(document(NOBODY))
        return await self._store.credentials.reserve(
            Reservation(
                issuer_slug=tenant.issuer_slug,
                tenant_id=tenant.id,
                inference_id=record.inference_id,
                body_digest=placed.digest,
                now_us=times.to_microseconds(now),
                period_start_us=record.start_us,
                period_end_us=record.end_us,
                node_id=window.node_id,
                model_id=record.model_id,
                energy_kwh=decimals.render(figures.energy_kwh),
                operational_emissions_gco2e=decimals.render(figures.operational_emissions_gco2e),
                emission_factor_type=figures.emission_factor_type,
                assurance=window.assurance,
                simulated=window.assurance == "simulated",
                record_digest=placed.digest,
                window_id=window.id,
                record_index=placed.index,
                receipt=asked.receipt,
                window_credential=asked.window_credential,
                supersedes=asked.supersedes,
            ),
            lambda reserved: credential.encode(document(reserved)),
        )

    async def _receipt(self, window_id: int, index: int, credential_id: str | None) -> bytes:
        window = await self._window(window_id)
        placed = await self._placed(window, index)
        if credential_id is None:
            raise NotFoundError("the window's credential was rejected; the node has to send the window again")
        return self._receipt_of(window, placed, credential_id)

    def _receipt_of(self, window: StoredWindow, placed: Placed, credential_id: str) -> bytes:
        header = decode_header(window.header)
        return build_receipt(
            Receipt(
                v=1,
                record=placed.record,
                inclusion=Inclusion(index=placed.index, tree_size=header.records, path=placed.path),
                merkle_root=header.merkle_root,
                window_digest=window.digest,
                window_credential=self._addresses.credential(credential_id),
            )
        )

    async def _window(self, window_id: int) -> StoredWindow:
        window = await self._store.windows.get(window_id)
        if window is None:
            raise NotFoundError("the window is not here")
        return window

    async def _placed(self, window: StoredWindow, index: int) -> Placed:
        return (await self._open(window)).place(index)

    async def _marginal(self, node: NodeRecord, record: WindowRecord, window: JsonObject) -> MarginalFactor | None:
        period = Period(start_us=record.start_us, end_us=record.end_us, it_mj=record.energy_mj)
        now_us = times.to_microseconds(self._clock.now())
        return await self._grid.marginal(node.grid_region, period, now_us, claimed=str(window["gridRegion"]))

    async def _reserved_us(self, window: StoredWindow) -> int:
        opened = await self._open(window)
        return await asyncio.to_thread(opened.reserved_us)

    async def _open(self, window: StoredWindow) -> Opened:
        async def body() -> bytes:
            return await self._store.windows.body(window.id) or b""

        return await self._opened.get(window.digest, body)

    def _check_window(self, issued: StoredCredential) -> None:
        url = self._addresses.credential(issued.id)
        if issued.revoked_us is not None:
            raise RevokedError(f"the credential of its window, {url}, was revoked, and so is whatever rests on it")
        if issued.suspended_us is not None:
            raise SuspendedError(f"the credential of its window, {url}, is suspended, and so is whatever rests on it")

    async def _row_of(self, window_id: int) -> StoredCredential:
        credential_id = await self._store.windows.credential_id(window_id)
        row = None if credential_id is None else await self._store.credentials.by_id(credential_id, tenant_id=None)
        if row is None:
            raise NotFoundError("the window's credential was rejected; the node has to send the window again")
        return row

    async def _credential_of(self, window: StoredWindow) -> StoredCredential:
        row = await self._row_of(window.id)
        if row.document is None:
            await self._completion.complete(row.id, row.issuer_slug, row.unsecured)
            row = await self._store.credentials.by_id(row.id, tenant_id=None) or row
        return row
