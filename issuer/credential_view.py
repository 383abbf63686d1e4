"""A credential as it is listed, over HTTP and on the command line; and how a caller may name one."""

from __future__ import annotations

import re
from typing import Final

from issuer.addresses import Addresses
from issuer.export import status_of
from issuer.store.records import StoredCredential
from schemas import strict_json, times
from schemas.strict_json import JsonObject

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


def credential_view(row: StoredCredential, addresses: Addresses) -> JsonObject:
    """Return what a list says of a credential: its URL, whose and what it is, its figures and its status."""
    return {
        "id": addresses.credential(row.id),
        "type": row.credential_type,
        "tenant_id": row.tenant_id,
        "inference_id": row.inference_id,
        "model_id": row.model_id,
        "node_id": row.node_id,
        "period_start": _time(row.period_start_us),
        "period_end": _time(row.period_end_us),
        "energy_kwh": row.energy_kwh,
        "operational_emissions_gco2e": row.operational_emissions_gco2e,
        "assurance": row.assurance,
        "simulated": row.simulated,
        "status": status_of(row),
        "supersedes": addresses.credential(row.supersedes) if row.supersedes else None,
        "issued": None if row.issued_us is None else times.render_seconds(times.from_microseconds(row.issued_us)),
    }


def claim_status(row: StoredCredential) -> str | None:
    """Return ``final`` or ``provisional`` as the credential claims it; None where it is not issued, or of another type."""
    subject = None if row.document is None else strict_json.parse_object(row.document).get("credentialSubject")
    claimed = subject.get("claimStatus") if isinstance(subject, dict) else None
    return claimed if isinstance(claimed, str) else None


def credential_id(text: str, addresses: Addresses) -> str | None:
    """Return the id of a credential that ``text`` names, bare or as this issuer's URL; None for anything else."""
    bare = text.removeprefix(addresses.credential(""))
    return bare if _UUID.fullmatch(bare) else None


def _time(microseconds: int | None) -> str | None:
    return None if microseconds is None else times.render_claim(times.from_microseconds(microseconds))
