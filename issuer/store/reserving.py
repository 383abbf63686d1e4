"""Between what is asked of a reservation and the row of its credential."""

from __future__ import annotations

import msgspec
from sqlalchemy import RowMapping

from issuer.store.errors import ConflictError
from issuer.store.figures import parts_of
from issuer.store.records import Reservation, Reserved


def found(row: RowMapping, request: Reservation) -> Reserved:
    """Return a row that was found as a reservation. Raises ConflictError where it was made from another body."""
    if row["body_digest"] != request.body_digest:
        raise ConflictError(f"the inference {request.inference_id!r} was sent before with another content")
    return Reserved(
        id=row["id"],
        list_id=row["list_id"],
        index=row["idx"],
        reserved_us=row["reserved_us"],
        unsecured=row["unsecured"] or b"",
        document=row["document"],
        issued_us=row["issued_us"],
        fresh=False,
    )


def columns(request: Reservation, reserved: Reserved) -> dict[str, object]:
    """Return the values of a new credential's row."""
    energy = parts_of(request.energy_kwh)
    emissions = parts_of(request.operational_emissions_gco2e)
    values = msgspec.structs.asdict(request)
    for elsewhere in ("now_us", "record", "record_index", "receipt", "attachments", "provisional", "window_credential"):
        del values[elsewhere]
    return values | {
        "id": reserved.id,
        "list_id": reserved.list_id,
        "idx": reserved.index,
        "energy_units": energy.units,
        "energy_nano": energy.nano,
        "energy_atto": energy.atto,
        "emissions_units": emissions.units,
        "emissions_nano": emissions.nano,
        "emissions_atto": emissions.atto,
        "state": "reserved",
        "reserved_us": request.now_us,
    }
