"""The unsecured credentials of a window, and of one inference in it (FORMATS.md "Terms"). Pure.

What they claim is what the node signed, by the formulas that a verifier repeats, and what the issuer has on file of the
node at the time of the window. An inference's credential takes grid and building from its window's, so that it says
the same however late it is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from issuer import credential
from issuer.addresses import Addresses
from issuer.carbon.account import Further
from issuer.carbon.window import Boundaries, WindowClaim, boundaries_of, further_of_record
from issuer.claims.market import MarginalFactor
from issuer.credential import Assignment
from issuer.errors import ImplausibleClaimError
from issuer.store.records import EmissionFactorType
from issuer.store.window_records import WindowEntry
from schemas import base64url, cmw, decimals, json_schema, times
from schemas.credential import decode
from schemas.lexical import IRI
from schemas.profile import CREDENTIAL_TYPE, SIMULATED_TYPE, SOFTWARE_SIGNATURE, TPM_QUOTE, WINDOW_TYPE
from schemas.strict_json import Json, JsonObject
from schemas.terms import METHODS
from schemas.window_header import WindowHeader
from schemas.window_record import WindowRecord
from verifier.attestation import software
from verifier.claims.arithmetic import check_claims
from verifier.window_match import coverage, models, seconds

_FROM_THE_WINDOW: Final = (
    "gridRegion",
    "carbonIntensityGco2ePerKwh",
    "carbonIntensitySource",
    "carbonIntensityYear",
    "gridDataDigest",
    "carbonIntensityGranularity",
    "carbonIntensityTier",
    "emissionFactorType",
    "ipccCharacterizationFactors",
)


@dataclass(frozen=True, slots=True)
class SignedBy:
    """What both kinds of credential say of the evidence: the bytes' digest, the key, the enrolment of its TPM."""

    evidence_digest: str
    enrolment_digest: str | None
    hardware_id: str | None
    assurance: str

    def entry(self, header: WindowHeader, window_digest: str, addresses: Addresses) -> JsonObject:
        """Return the evidence entry as far as both share it."""
        is_quote = header.ak is not None
        entry: dict[str, Json] = {
            "id": addresses.evidence(self.evidence_digest),
            "type": [TPM_QUOTE if is_quote else SOFTWARE_SIGNATURE],
            "mediaType": cmw.MEDIA_TYPE if is_quote else software.MEDIA_TYPE,
            "digestMultibase": self.evidence_digest,
            "signedBy": header.key,
        }
        if self.enrolment_digest is not None:
            entry["enrolmentDigest"] = self.enrolment_digest
        return entry | {"windowDigest": window_digest}


@dataclass(frozen=True, slots=True)
class WindowOfRecord:
    """The window that an inference's record stands in: its header, digest, evidence, and its credential as issued."""

    header: WindowHeader
    digest: str
    signed_by: SignedBy
    credential: JsonObject

    @property
    def claims(self) -> JsonObject:
        """What the window's credential claims."""
        subject = self.credential["credentialSubject"]
        if not isinstance(subject, dict):
            raise TypeError("a credential that was issued here has a subject")
        return subject


def build_window(  # noqa: PLR0917 - the parts of one document
    claim: WindowClaim,
    header: WindowHeader,
    counts: JsonObject,
    entry: WindowEntry,
    signed_by: SignedBy,
    assignment: Assignment,
) -> JsonObject:
    """Return the unsecured credential of a window, members in the order of the format's examples."""
    addresses = assignment.addresses
    evidence = signed_by.entry(header, entry.digest, addresses)
    subject: dict[str, Json] = {
        "id": addresses.window(header.node_id, header.boot_epoch, header.sequence),
        "nodeId": header.node_id,
        "hardwareId": signed_by.hardware_id,
        "acceleratorId": [one.uuid for one in header.accelerators],
        "acceleratorModel": models(header) or None,
        **_period(header),
        **_boundaries(claim.boundaries),
        **credential.facility_claims(claim.facility, claim.energy_kwh),
        **credential.carbon_claims(claim.grid, claim.operational_emissions_gco2e),
        **credential.emission_claims(claim.further, claim.energy_kwh),
        "measurementMethod": _method(header, signed_by),
        "assurance": signed_by.assurance,
        "measurementCoverage": coverage(header),
        "largestGapSeconds": seconds(header.largest_gap_us),
        **credential.budget_claims(claim.further),
        **counts,
        "windowSequence": str(header.sequence),
        "bootEpoch": header.boot_epoch,
        "windowDigest": entry.digest,
        "previousWindowDigest": header.previous,
        "recordCount": str(header.records),
        "recordsMerkleRoot": header.merkle_root,
        "freshness": header.freshness,
    }
    inline: JsonObject = {**evidence, "inlineEvidence": base64url.encode(entry.evidence)}
    return _document(WINDOW_TYPE, json_schema.WINDOW_URL, subject, inline, assignment)


def check_draft(document: JsonObject) -> None:
    """Raise ImplausibleClaimError for claims that our own verifier would refuse: before anything is written down."""
    findings = check_claims(decode(document))
    if findings:
        raise ImplausibleClaimError("; ".join(finding.detail for finding in findings))


def counts_of(records: Sequence[WindowRecord]) -> JsonObject:
    """Return what only the records of a window say of it: tokens and requests together, attribution if it is one."""
    counted: dict[str, Json] = {}
    methods = {record.attribution for record in records}
    if len(methods) == 1:
        counted["attributionMethod"] = methods.pop()
    for term, name in (("inputTokens", "input_tokens"), ("outputTokens", "output_tokens")):
        stated = [value for record in records if (value := getattr(record, name)) is not None]
        if stated:
            counted[term] = str(sum(stated))
    if records:
        counted["requestCount"] = str(sum([record.requests for record in records]))
    return counted


@dataclass(frozen=True, slots=True)
class RecordFigures:
    """The energy and emissions of one record, by its window's factors; ``overhead_kwh`` None without a PUE."""

    boundaries: Boundaries
    overhead_kwh: Decimal | None
    energy_kwh: Decimal
    operational_emissions_gco2e: Decimal
    emission_factor_type: EmissionFactorType
    further: Further


def figures_of(
    record: WindowRecord, window: WindowOfRecord, *, reserved_us: int = 0, marginal: MarginalFactor | None = None
) -> RecordFigures:
    """Return what a record used, under the PUE, intensity and further factors that its window's credential claims.

    ``reserved_us`` is the sum of the durations of all its window's records; only a marginal factor is not the window's.
    """
    claims = window.claims
    boundaries = boundaries_of(record)
    energy_kwh, overhead_kwh = boundaries.it_kwh, None
    if "pue" in claims:
        pue = decimals.parse(str(claims["pue"]))
        overhead_kwh = decimals.multiply(decimals.EXACT.subtract(pue, Decimal(1)), boundaries.it_kwh)
        energy_kwh = decimals.add(energy_kwh, overhead_kwh)
    intensity = decimals.parse(str(claims["carbonIntensityGco2ePerKwh"]))
    return RecordFigures(
        boundaries=boundaries,
        overhead_kwh=overhead_kwh,
        energy_kwh=energy_kwh,
        operational_emissions_gco2e=decimals.multiply(energy_kwh, intensity),
        emission_factor_type="direct" if claims["emissionFactorType"] == "direct" else "lifecycle",
        further=further_of_record(record, window.header, claims, reserved_us, marginal),
    )


def build_record(  # noqa: PLR0917 - the parts of one document
    record: WindowRecord,
    index: int,
    record_digest: str,
    figures: RecordFigures,
    window: WindowOfRecord,
    assignment: Assignment,
) -> JsonObject:
    """Return the unsecured credential of one inference of a window."""
    addresses, header, claims = assignment.addresses, window.header, window.claims
    building: dict[str, Json] = {"facilityOverheadKwh": _decimal(figures.overhead_kwh)}
    if figures.overhead_kwh is not None:
        building |= {name: claims.get(name) for name in ("pue", "pueKind", "pueSource")}
    subject: dict[str, Json] = {
        "id": addresses.inference(assignment.tenant.id, record.inference_id),
        "inferenceId": record.inference_id,
        "modelId": record.model_id,
        "nodeId": header.node_id,
        "hardwareId": window.signed_by.hardware_id,
        "acceleratorModel": models(header) or None,
        "tenantId": _tenant(record, assignment),
        **_period(record),
        **_boundaries(figures.boundaries),
        **building,
        "energyKwh": decimals.render(figures.energy_kwh),
        **{name: claims.get(name) for name in _FROM_THE_WINDOW},
        "operationalEmissionsGco2e": decimals.render(figures.operational_emissions_gco2e),
        **credential.emission_claims(figures.further, figures.energy_kwh),
        "claimStatus": claims["claimStatus"],
        "measurementMethod": _method(header, window.signed_by, record.attribution),
        "attributionMethod": record.attribution,
        "assurance": window.signed_by.assurance,
        "measurementCoverage": coverage(header),
        "largestGapSeconds": seconds(header.largest_gap_us),
        **credential.budget_claims(figures.further),
        **functional_unit(record),
        "inputTokens": _text(record.input_tokens),
        "outputTokens": _text(record.output_tokens),
        "requestCount": str(record.requests),
        "windowCredential": window.credential["id"],
    }
    entry: JsonObject = {
        **window.signed_by.entry(header, window.digest, addresses),
        # Its own address, and so its own receipt beside it: the same record may stand in another tenant's window too.
        "id": addresses.evidence_of(assignment.reserved.id, window.signed_by.evidence_digest),
        "recordDigest": record_digest,
        "recordIndex": str(index),
    }
    return _document(CREDENTIAL_TYPE, json_schema.CREDENTIAL_URL, subject, entry, assignment)


def superseding(document: JsonObject, url: str) -> JsonObject:
    """Return a document that says in place of which credential it comes."""
    subject = document["credentialSubject"]
    if not isinstance(subject, dict):
        raise TypeError("a document that is built here has a subject")
    return {**document, "credentialSubject": {**subject, "supersedes": url}}


def functional_unit(record: WindowRecord) -> dict[str, Json]:
    """Return SCI's R: tokens where both counts are stated, else requests; nothing where there is none of them.

    A part of work that lasted over a window's end has the count of its last part only.
    """
    unit, count = "request", record.requests
    if record.input_tokens is not None and record.output_tokens is not None:
        unit, count = "token", record.input_tokens + record.output_tokens
    return {"functionalUnit": unit, "functionalUnitCount": str(count)} if count else {}


def _document(
    kind: str, schema: str, subject: dict[str, Json], evidence: JsonObject, assignment: Assignment
) -> JsonObject:
    types: list[Json] = ["VerifiableCredential", kind]
    if subject["assurance"] == "simulated":
        types.append(SIMULATED_TYPE)
    reserved, addresses = assignment.reserved, assignment.addresses
    return {
        "@context": credential.contexts(assignment.context_form),
        "id": addresses.credential(reserved.id),
        "type": types,
        "issuer": assignment.issuer_did,
        "issuanceDate": times.render_seconds(assignment.issuance_date),
        "credentialSchema": credential.schema_reference(schema),
        "credentialStatus": credential.status_entry(reserved, addresses)
        | {"suspensionListCredential": addresses.status_list("suspension", reserved.list_id)},
        "credentialSubject": {name: value for name, value in subject.items() if value is not None},
        "evidence": [evidence],
    }


def _period(signed: WindowHeader | WindowRecord) -> dict[str, Json]:
    return {
        "periodStart": times.render_claim(times.from_microseconds(signed.start_us)),
        "periodEnd": times.render_claim(times.from_microseconds(signed.end_us)),
        # A record shorter than the clock's tick states none: zero is no duration.
        "durationSeconds": seconds(signed.duration_us) if signed.duration_us else None,
    }


def _boundaries(boundaries: Boundaries) -> dict[str, Json]:
    return {
        "acceleratorActiveKwh": decimals.render(boundaries.active),
        "acceleratorIdleKwh": decimals.render(boundaries.idle),
        "hostKwh": _decimal(boundaries.host),
        "networkKwh": _decimal(boundaries.network),
        "unattributedKwh": _decimal(boundaries.unattributed),
        "estimatedKwh": _decimal(boundaries.estimated),
    }


def _method(header: WindowHeader, signed_by: SignedBy, attribution: str = "") -> str:
    if signed_by.assurance == "simulated":
        return "modelled"
    # What was divided by counted tokens, without the engine's steps, is no count of this inference's own.
    methods = (header.method, "partition-estimate") if attribution == "phase-weighted" else (header.method,)
    return min(methods, key=METHODS.index)


def _tenant(record: WindowRecord, assignment: Assignment) -> str | None:
    """Return whose the inference is: the tenant's subject, if the record names the tenant by it or by its id, or nobody."""
    tenant = assignment.tenant
    if record.tenant_id in (None, tenant.id):
        return tenant.subject
    # One whose name is no IRI, or a tenant that the node may not name: not stated.
    return record.tenant_id if record.tenant_id == tenant.subject and IRI.fits(record.tenant_id) else None


def _text(count: int | None) -> str | None:
    return None if count is None else str(count)


def _decimal(value: Decimal | None) -> str | None:
    return None if value is None else decimals.render(value)
