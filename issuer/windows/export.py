"""The inferences of windows as rows of an export: each once, whether or not it has a credential of its own.

Its status is that of its own credential where it has one, else that of its window's: as in sums (issuer.store.sums).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from issuer.store.records import StoredCredential
from issuer.store.store import Store
from issuer.store.window_records import Place, StoredWindow, TenantPlaces
from issuer.windows.credential import SignedBy, WindowOfRecord, figures_of
from issuer.windows.opened import lines_in
from schemas import decimals, strict_json
from schemas.profile import CREDENTIAL_TYPE
from schemas.window_header import decode_header
from schemas.window_record import WindowRecord, decode_records

_BATCH: Final = 100

_ROWS_AT_ONCE: Final = 200
"""Rows that are built in one go, in a thread: a window has up to 50,000, and others wait meanwhile."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """One tenant's records of one window, on their way to rows."""

    tenant_id: str
    window: StoredWindow
    issued: StoredCredential
    records: Sequence[WindowRecord]
    indexes: Sequence[int]
    singles: dict[str, StoredCredential]

    def __iter__(self) -> Iterator[StoredCredential]:
        of_window = WindowOfRecord(
            header=decode_header(self.window.header),
            digest=self.window.digest,
            signed_by=SignedBy(self.window.evidence_digest, None, None, self.window.assurance),
            credential=strict_json.parse_object(self.issued.document or b""),
        )
        for index in self.indexes:
            yield self._row(self.records[index], of_window)

    def _row(self, record: WindowRecord, window: WindowOfRecord) -> StoredCredential:
        own, figures = self.singles.get(record.inference_id), figures_of(record, window)
        status = self.issued if own is None else own
        if own is not None and own.outdated_us is not None:
            # It keeps the factors of a window's credential that was superseded, and counts by them.
            return msgspec.structs.replace(own, tenant_id=self.tenant_id)
        claims = {
            **window.claims,
            "acceleratorActiveKwh": decimals.render(figures.boundaries.active),
            "facilityOverheadKwh": None if figures.overhead_kwh is None else decimals.render(figures.overhead_kwh),
        }
        return msgspec.structs.replace(
            self.issued,
            id="" if own is None else own.id,
            tenant_id=self.tenant_id,
            inference_id=record.inference_id,
            credential_type=CREDENTIAL_TYPE,
            model_id=record.model_id,
            period_start_us=record.start_us,
            period_end_us=record.end_us,
            energy_kwh=decimals.render(figures.energy_kwh),
            operational_emissions_gco2e=decimals.render(figures.operational_emissions_gco2e),
            revoked_us=status.revoked_us,
            suspended_us=status.suspended_us,
            issued_us=None if own is None else own.issued_us,
            document=msgspec.json.encode({"credentialSubject": claims}),
        )


async def inferences(
    store: Store, tenant_id: str | None, since_us: int | None = None, until_us: int | None = None
) -> AsyncIterator[StoredCredential]:
    """Yield the inferences of a tenant's (None: every) windows that ended in a period, window by window.

    ``id`` is empty where nobody has asked for a credential of the inference.
    """
    after = 0
    while found := await store.windows.in_period(tenant_id, since_us, until_us, after, _BATCH):
        for window_id in found:
            for rows in await _of_window(store, window_id, tenant_id):
                built = iter(rows)
                while batch := await asyncio.to_thread(_next_rows, built):
                    for row in batch:
                        yield row
        after = found[-1]


async def everything(
    store: Store, tenant_id: str | None, since_us: int | None = None, until_us: int | None = None
) -> AsyncIterator[StoredCredential]:
    """Yield the posted inferences, oldest period first, then those of windows."""
    async for row in store.credentials.export(tenant_id, since_us, until_us):
        yield row
    async for row in inferences(store, tenant_id, since_us, until_us):
        yield row


async def _of_window(store: Store, window_id: int, tenant_id: str | None) -> list[_Rows]:
    window = await store.windows.get(window_id)
    credential_id = await store.windows.credential_id(window_id)
    issued = None if credential_id is None else await store.credentials.by_id(credential_id, tenant_id=None)
    body = await store.windows.body(window_id)
    if window is None or issued is None or issued.document is None or body is None:
        # Not issued yet, and so in no sum either.
        return []
    records = await asyncio.to_thread(_records, body)
    singles = await store.windows.singles(window_id)
    tenants = await store.windows.tenants_in(window_id) if tenant_id is None else frozenset({tenant_id})
    rows = []
    places = await asyncio.to_thread(_places, records)
    for name in sorted(tenants):
        mine = await store.windows.owned(window_id, TenantPlaces(tenant_id=name, places=places))
        own = {one.inference_id or "": one for one in singles if one.tenant_id == name}
        rows.append(_Rows(name, window, issued, records, sorted(mine), own))
    return rows


def _next_rows(built: Iterator[StoredCredential]) -> list[StoredCredential]:
    return list(itertools.islice(built, _ROWS_AT_ONCE))


def _places(records: Sequence[WindowRecord]) -> list[Place]:
    return [(record.inference_id, index) for index, record in enumerate(records)]


def _records(body: bytes) -> Sequence[WindowRecord]:
    return decode_records(b"".join(line + b"\n" for line in lines_in(body))).records
