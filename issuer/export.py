"""Credentials as CSV, for the reader of a Scope 3 or ESRS E1 report (RFC 4180, UTF-8).

One row a credential. Figures are exact decimals: kWh and MWh, grams and tonnes of CO2e, location-based.
A figure that is simulated, suspended or revoked says so in its row and is never left out silently.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from decimal import Decimal
from typing import Final

import msgspec

from issuer.store.records import StatusEntryRecord, StoredCredential
from schemas import decimals, times
from schemas.strict_json import Json, JsonObject

# A spreadsheet runs a cell that starts with one of these as a formula (CWE-1236), in some languages the wide ones too.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

_FLUSH_BYTES: Final = 32 * 1024
_ROWS_AT_ONCE: Final = 100
"""Rows that are written in one go, in a thread: others wait meanwhile."""

_KWH_PER_MWH: Final = 3
_GRAMS_PER_TONNE: Final = 6

_CLAIMS: Final = {
    "accelerator_active_kwh": "acceleratorActiveKwh",
    "facility_overhead_kwh": "facilityOverheadKwh",
    "pue": "pue",
    "pue_kind": "pueKind",
    "grid_region": "gridRegion",
    "carbon_intensity_gco2e_per_kwh": "carbonIntensityGco2ePerKwh",
    "carbon_intensity_source": "carbonIntensitySource",
    "carbon_intensity_year": "carbonIntensityYear",
    "carbon_intensity_tier": "carbonIntensityTier",
    "emission_factor_type": "emissionFactorType",
    "claim_status": "claimStatus",
    "measurement_method": "measurementMethod",
}
"""Columns read from the credential's own claims."""

COLUMNS: Final = (
    "credential_id",
    "status",
    "tenant_id",
    "inference_id",
    "model_id",
    "node_id",
    "period_start",
    "period_end",
    "energy_kwh",
    "energy_mwh",
    "operational_emissions_gco2e",
    "operational_emissions_tco2e",
    "accounting_method",
    *_CLAIMS,
    "assurance",
    "simulated",
    "issued",
    "revoked",
)
"""The header row. New columns are only ever added at the end."""


async def csv_chunks(rows: AsyncIterable[StoredCredential]) -> AsyncGenerator[bytes]:
    """Yield the CSV of issued credentials in chunks of at most about 64 KiB, the header first; memory stays flat."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(COLUMNS)
    batch: list[StoredCredential] = []
    async for row in rows:
        batch.append(row)
        if len(batch) >= _ROWS_AT_ONCE:
            await asyncio.to_thread(_write, batch, buffer)
            batch = []
        if buffer.tell() >= _FLUSH_BYTES:
            yield _drain(buffer)
    await asyncio.to_thread(_write, batch, buffer)
    yield _drain(buffer)


def _write(rows: Iterable[StoredCredential], buffer: io.StringIO) -> None:
    csv.writer(buffer).writerows([escape(cell) for cell in cells(row)] for row in rows)


def _drain(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode("utf-8")


def escape(cell: str) -> str:
    """Return ``cell`` with an apostrophe before it where a spreadsheet would take it for a formula."""
    return "'" + cell if cell.startswith(_FORMULA_STARTS) else cell


def cells(row: StoredCredential) -> list[str]:
    """Return one row in the order of COLUMNS, unescaped. An absent claim is an empty cell, never zero."""
    subject = _subject(row)
    known = {
        "credential_id": row.id,
        "status": status_of(row),
        "tenant_id": row.tenant_id,
        "inference_id": row.inference_id or "",
        "model_id": row.model_id or "",
        "node_id": row.node_id or "",
        "period_start": _time(row.period_start_us),
        "period_end": _time(row.period_end_us),
        "energy_kwh": row.energy_kwh,
        "energy_mwh": _shifted(row.energy_kwh, _KWH_PER_MWH),
        "operational_emissions_gco2e": row.operational_emissions_gco2e,
        "operational_emissions_tco2e": _shifted(row.operational_emissions_gco2e, _GRAMS_PER_TONNE),
        "accounting_method": "location-based",
        "assurance": row.assurance or "",
        "simulated": "true" if row.simulated else "false",
        "issued": _time(row.issued_us),
        "revoked": _time(row.revoked_us),
    }
    known |= {column: _text(subject.get(term)) for column, term in _CLAIMS.items()}
    return [known[column] for column in COLUMNS]


def status_of(row: StoredCredential | StatusEntryRecord) -> str:
    """Return ``superseded``, ``revoked``, ``suspended`` or ``valid``; what is final comes first."""
    if row.superseded_us is not None:
        return "superseded"
    if row.revoked_us is not None:
        return "revoked"
    return "suspended" if row.suspended_us is not None else "valid"


def _subject(row: StoredCredential) -> JsonObject:
    if row.document is None:
        return {}
    document = msgspec.json.decode(row.document, type=dict[str, object])
    subject = document.get("credentialSubject")
    return subject if isinstance(subject, dict) else {}


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _time(microseconds: int | None) -> str:
    return "" if microseconds is None else times.render_claim(times.from_microseconds(microseconds))


def _shifted(text: str, places: int) -> str:
    """Return a canonical decimal divided by ten to the ``places``, exactly; more decimals than a claim has are fine."""
    shifted = format(decimals.EXACT.scaleb(Decimal(text), -places), "f")
    return shifted.rstrip("0").rstrip(".") if "." in shifted else shifted
