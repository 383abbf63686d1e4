"""The unsecured credential of one posted record (FORMATS.md "Terms", "Securing", VC 1.1), and its bytes.

Everything in it is either what the issuer checked (the record, its signature), what it has on file about
the node, or computed from both. A verifier finds each of them again from the evidence.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

import msgspec

from contexts import green_compute, pinned
from issuer.addresses import Addresses
from issuer.carbon.account import EnergyClaim, Facility, Further
from issuer.carbon.factor import GridFactor
from issuer.intake import AcceptedTelemetry
from issuer.store.records import Reserved, TenantRecord
from schemas import decimals, json_schema, times
from schemas.profile import CREDENTIAL_TYPE, SIMULATED_TYPE, SOFTWARE_SIGNATURE
from schemas.strict_json import Json, JsonObject

ContextForm = Literal["inline", "url"]
"""Whether our own context stands in the document itself (any verifier can check it offline) or by its URL."""

EVIDENCE_MEDIA_TYPE: Final = "application/json"

_CONTEXT_URLS: Final = (pinned.CREDENTIALS_V1, pinned.JWS_2020, pinned.STATUS_LIST_2021)


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What the issuer gives to one credential: whose name, which id and status index, which date."""

    issuer_did: str
    tenant: TenantRecord
    reserved: Reserved
    issuance_date: datetime
    addresses: Addresses
    context_form: ContextForm = "inline"


def issuance_date(now: datetime, period_end: datetime) -> datetime:
    """Return the later of ``now`` rounded down and the period's end rounded up, in whole seconds.

    Where a node's clock is ahead, the date may lie ahead of ours: nothing may be signed before it is reached.
    """
    return max(now.replace(microsecond=0), times.round_up(period_end))


def build(claim: EnergyClaim, accepted: AcceptedTelemetry, assignment: Assignment) -> JsonObject:
    """Return the unsecured credential, members in the order of the format's examples."""
    types: list[Json] = ["VerifiableCredential", CREDENTIAL_TYPE]
    if accepted.simulated:
        types.append(SIMULATED_TYPE)
    reserved, addresses = assignment.reserved, assignment.addresses
    return {
        "@context": contexts(assignment.context_form),
        "id": addresses.credential(reserved.id),
        "type": types,
        "issuer": assignment.issuer_did,
        "issuanceDate": times.render_seconds(assignment.issuance_date),
        "credentialSchema": schema_reference(json_schema.CREDENTIAL_URL),
        "credentialStatus": status_entry(reserved, addresses)
        | {"suspensionListCredential": addresses.status_list("suspension", reserved.list_id)},
        "credentialSubject": _subject(claim, accepted, assignment),
        "evidence": [_evidence(accepted, addresses)],
    }


def status_entry(reserved: Reserved, addresses: Addresses) -> JsonObject:
    """Return the StatusList2021Entry of a reservation's revocation bit (Status List 2021 §4.1)."""
    revocation = addresses.status_list("revocation", reserved.list_id)
    return {
        "id": f"{revocation}#{reserved.index}",
        "type": "StatusList2021Entry",
        "statusPurpose": "revocation",
        "statusListIndex": str(reserved.index),
        "statusListCredential": revocation,
    }


def encode(document: JsonObject) -> bytes:
    """Return the document's JSON bytes; our context, where it stands inline, as its one constant spelling.

    The same document always gives the same bytes: they are frozen with the reservation, and what is
    signed later is read from them.
    """
    contexts = document.get("@context")
    if not isinstance(contexts, list) or next(iter(document)) != "@context":
        return msgspec.json.encode(document)
    entries = [
        green_compute.INLINE if isinstance(entry, dict) and green_compute.is_ours(entry) else msgspec.json.encode(entry)
        for entry in contexts
    ]
    rest = msgspec.json.encode({name: value for name, value in document.items() if name != "@context"})
    head = b'{"@context":[' + b",".join(entries) + b"]"
    return head + (b"," + rest[1:] if rest != b"{}" else b"}")


def with_proof(unsecured: bytes, proof: JsonObject) -> bytes:
    """Return the bytes of an encoded object with ``proof`` as its last member; the rest stays as it was checked."""
    return unsecured[:-1] + b',"proof":' + msgspec.json.encode(proof) + b"}"


def contexts(form: ContextForm) -> list[Json]:
    """Return ``@context`` of our credentials."""
    ours: Json = green_compute.CONTEXT if form == "inline" else green_compute.URL
    return [*_CONTEXT_URLS, ours]


def schema_reference(url: str) -> JsonObject:
    """Return ``credentialSchema`` for one of our bundled schemas."""
    return {"id": url, "type": "JsonSchemaValidator2018", "digestMultibase": json_schema.schema_digest(url)}


def _subject(claim: EnergyClaim, accepted: AcceptedTelemetry, assignment: Assignment) -> JsonObject:
    record, node, tenant = accepted.record, accepted.node, assignment.tenant
    subject: dict[str, str | None] = {
        "id": assignment.addresses.inference(tenant.id, record.inference_id),
        "inferenceId": record.inference_id,
        "modelId": record.model_id,
        "nodeId": node.id,
        "acceleratorModel": node.accelerator_model,
        "tenantId": tenant.subject,
        "periodStart": None if record.period_start is None else times.render_claim(record.period_start),
        "periodEnd": times.render_claim(record.timestamp),
        "durationSeconds": _optional(record.duration_s),
        **_energy(claim),
        **carbon_claims(claim.grid, claim.operational_emissions_gco2e),
        **emission_claims(claim.further, claim.energy_kwh),
        "measurementMethod": accepted.measurement_method,
        "assurance": accepted.assurance,
        **budget_claims(claim.further),
    }
    return {name: value for name, value in subject.items() if value is not None}


def _energy(claim: EnergyClaim) -> dict[str, str | None]:
    return {
        "acceleratorActiveKwh": decimals.render(claim.accelerator_active_kwh),
        **facility_claims(claim.facility, claim.energy_kwh),
    }


def facility_claims(facility: Facility | None, energy_kwh: Decimal) -> dict[str, str | None]:
    """Return the claims of the building's share, and of the energy that includes it."""
    return {
        "facilityOverheadKwh": decimals.render(facility.overhead_kwh) if facility else None,
        "energyKwh": decimals.render(energy_kwh),
        "pue": decimals.render(facility.pue) if facility else None,
        "pueKind": facility.kind if facility else None,
        "pueSource": facility.source if facility else None,
    }


def carbon_claims(grid: GridFactor, operational_emissions_gco2e: Decimal) -> dict[str, str | None]:
    """Return the claims of a factor, of the emissions that it gives, and whether they are the last word."""
    return {
        "gridRegion": grid.region,
        "carbonIntensityGco2ePerKwh": decimals.render(grid.gco2e_per_kwh),
        "carbonIntensitySource": grid.source,
        "carbonIntensityYear": None if grid.year is None else str(grid.year),
        "gridDataDigest": grid.grid_data_digest,
        "carbonIntensityGranularity": grid.granularity,
        "carbonIntensityTier": grid.tier,
        "emissionFactorType": grid.factor_type,
        "ipccCharacterizationFactors": grid.characterization_factors,
        "operationalEmissionsGco2e": decimals.render(operational_emissions_gco2e),
        "claimStatus": grid.claim_status,
    }


def emission_claims(further: Further, energy_kwh: Decimal) -> dict[str, str]:
    """Return the claims of emissions beside the operational ones, never in them: embodied, market-based, marginal."""
    claimed: dict[str, str] = {}
    if further.embodied_gco2e is not None:
        claimed["embodiedEmissionsGco2e"] = decimals.render(further.embodied_gco2e)
    if further.market_based is not None:
        claimed |= further.market_based.claims(energy_kwh)
    if further.marginal is not None:
        claimed |= further.marginal.claims(energy_kwh)
    return claimed


def budget_claims(further: Further) -> dict[str, str]:
    """Return the claims of both expanded uncertainties and of their components; none where there is no budget."""
    return {} if further.budget is None else further.budget.claims()


def _evidence(accepted: AcceptedTelemetry, addresses: Addresses) -> JsonObject:
    digest = accepted.posted.record_digest
    return {
        "id": addresses.evidence(digest),
        "type": [SOFTWARE_SIGNATURE],
        "mediaType": EVIDENCE_MEDIA_TYPE,
        "digestMultibase": digest,
        "signedBy": accepted.node.key_uri,
        "recordDigest": digest,
    }


def _optional(value: Decimal | None) -> str | None:
    return None if value is None else decimals.render(value)
