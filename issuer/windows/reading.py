"""Reading windows again: a record with its way to the root, and the single credential of an inference.

A receipt is made whenever it is asked for; the credential once: the reservation is unique by tenant and inference, so
however many ask at the same moment, in whatever process, there is one, and everybody gets its bytes.
"""

from __future__ import annotations

from typing import Final

from issuer import credential
from issuer.addresses import Addresses
from issuer.clock import Clock
from issuer.completion import Completion
from issuer.credential import Assignment, ContextForm
from issuer.keyring import Keyring
from issuer.store.errors import NotFoundError, RevokedError, SuspendedError
from issuer.store.records import Reservation, Reserved, StoredCredential, TenantRecord
from issuer.store.store import Store
from issuer.store.window_records import StoredWindow
from issuer.turns import Turns
from issuer.windows.credential import SignedBy, WindowOfRecord, build_record, check_draft, figures_of
from issuer.windows.making import NOBODY
from issuer.windows.opened import OpenedWindows, Placed
from schemas import decimals, strict_json, times
from schemas.receipt import Inclusion, Receipt, build_receipt
from schemas.strict_json import JsonObject
from schemas.window_header import decode_header

_AT_ONCE: Final = 2
_WAIT_S: Final = 10.0
"""A window is inflated and hashed whole to place one record of it: a few at once, one of a tenant."""

_STRANGERS: Final = ""
"""Whose turn it is where nobody says who asks; no tenant has this id."""


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
    ) -> None:
        """Hold the parts."""
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._addresses = addresses
        self._completion = completion
        self._context_form: ContextForm = context_form
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
        if own is not None and own.revoked_us is not None:
            raise RevokedError(f"the credential of this inference, {self._addresses.credential(own.id)}, was revoked")
        if own is not None and own.suspended_us is not None:
            raise SuspendedError(
                f"the credential of this inference, {self._addresses.credential(own.id)}, is suspended"
            )
        async with self._turns.of(tenant_id):
            return await self._receipt(*place)

    async def receipt_of_record(self, record_digest: str) -> bytes | None:
        """Return the receipt of the record with this leaf hash, if it has a credential of its own; else None.

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
                kept = await self._receipt(*place)
                await self._store.receipts.keep(record_digest, kept)
        return kept

    async def credential(self, tenant_id: str, inference_id: str) -> StoredCredential | None:
        """Return the single credential of an inference of a window, made now if nobody has asked; None where no window has it.

        Raises RevokedError or SuspendedError where the window's credential is not valid, also where it is so no more
        when it comes to the reservation; ImplausibleClaimError, and as Completion.complete.
        """
        place = await self._store.windows.place(tenant_id, inference_id)
        tenant = await self._store.tenants.get(tenant_id)
        if place is None or tenant is None:
            return None
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
        receipt = self._receipt_of(window, placed, issued.id)
        reserved = await self._reserve(tenant, window, placed, of_window, receipt)
        if reserved.document is None:
            await self._completion.complete(reserved.id, tenant.issuer_slug, reserved.unsecured)
        return await self._store.credentials.by_id(reserved.id, tenant_id=tenant_id)

    async def _reserve(
        self, tenant: TenantRecord, window: StoredWindow, placed: Placed, of_window: WindowOfRecord, receipt: bytes
    ) -> Reserved:
        key = await self._keyring.active(tenant.issuer_slug)
        now, record = self._clock.now(), placed.record
        figures = figures_of(record, of_window)
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
            return build_record(record, placed.index, placed.digest, figures, of_window, assignment)

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
                receipt=receipt,
            ),
            lambda reserved: credential.encode(document(reserved)),
        )

    async def _receipt(self, window_id: int, index: int) -> bytes:
        window = await self._window(window_id)
        placed = await self._placed(window, index)
        credential_id = await self._store.windows.credential_id(window_id)
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
        async def body() -> bytes:
            return await self._store.windows.body(window.id) or b""

        return (await self._opened.get(window.digest, body)).place(index)

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
