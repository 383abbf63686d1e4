"""The verdict on a receipt: its window's credential by itself, then the record's way to the root in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import msgspec

from schemas import decimals, times
from schemas.credential import GreenComputeWindowCredential
from schemas.receipt import Receipt, parse_receipt, tenant_commitment
from schemas.window_record import WindowRecord
from verifier.attestation.window import CheckedWindow
from verifier.case import Case, Step
from verifier.document import Document, Kind
from verifier.enrolment import Enrolment
from verifier.errors import EvidenceMismatchError, TypeMismatchError
from verifier.gather import window_of
from verifier.notices import Notice
from verifier.receipt import check_receipt, claimed_root, root_of
from verifier.report import Finding, Outcome, Report, Result, Spec, passed, skipped, undecided, warning
from verifier.steps.shape import check_parsed
from verifier.window_match import is_plain_name, kwh, seconds

_JSON: Final = Spec("I-JSON (RFC 7493)", "https://www.rfc-editor.org/rfc/rfc7493")
_RECEIPT: Final = Spec("Green Compute wire formats, version 1", "https://w3id.org/green-compute")
_MERKLE: Final = Spec(
    "Merkle inclusion proofs (RFC 9162 §2.1.3)", "https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3"
)
_MODEL: Final = Spec("Verifiable Credentials Data Model 1.1", "https://www.w3.org/TR/vc-data-model/")

ESSENTIAL: Final = ("parse", "model", "window", "inclusion")
"""Without these, nothing has been shown."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A window's credential as it was verified by itself, the window that it is made from, the TPM's enrolment."""

    report: Report
    credential: GreenComputeWindowCredential | None
    window: CheckedWindow | None
    enrolment: Enrolment | None = None


@dataclass(kw_only=True)
class ReceiptCase(Case):
    """A case whose document is a receipt. ``judge`` verifies the window's credential by itself."""

    judge: Callable[[Document], Judged]
    receipt: Receipt | None = None
    judged: Judged | None = None
    claims: dict[str, str] = field(default_factory=dict)


def check_model(case: ReceiptCase) -> Iterable[Finding]:
    """Yield that the document is a receipt of the closed shape, and leads to the root that it names itself."""
    if case.document.kind is not Kind.RECEIPT:
        raise TypeMismatchError("this is no receipt: it has a type, or no record with its inclusion proof")
    case.receipt = parse_receipt(case.document.raw)
    yield passed("a receipt: one record of a window, with its inclusion proof")


def check_window(case: ReceiptCase) -> Iterable[Finding]:
    """Yield the verdict on the window's credential, which counts for the receipt: it alone is signed."""
    receipt = _receipt(case)
    name = receipt.window_credential
    found = window_of(case.document, case.evidence)
    if found is None:
        yield _absent(case, name)
        return
    if found.kind is not Kind.WINDOW:
        raise TypeMismatchError(f"window_credential: what is at hand as {name} is no window's credential")
    case.judged = case.judge(found)
    report = case.judged.report
    if report.id != name:
        raise EvidenceMismatchError(
            f"window_credential: the credential at hand is {report.id}, the receipt names {name}"
        )
    if report.outcome is Outcome.VERIFIED:
        yield passed(f"the window's credential {name} verifies by itself")
        for finding in report.warnings:
            yield Finding(Result.WARNING, f"the window: {finding.detail}", finding.problem)
        return
    result = Result.FAILED if report.outcome is Outcome.REFUSED else Result.INCONCLUSIVE
    yield Finding(result, f"the window's credential is {report.outcome.value}: {report.detail}", report.problem)


def check_inclusion(case: ReceiptCase) -> Iterable[Finding]:
    """Yield that the record is a leaf of the tree whose root the window's credential signs."""
    receipt, judged = _receipt(case), case.judged
    if judged is None or judged.credential is None:
        yield skipped("not checked, since there is no window to hold the record against")
        return
    check_receipt(receipt, claimed_root(judged.credential))
    if judged.window is not None:
        # The header bounds the record too; its digest and root were found equal to the credential's.
        check_receipt(receipt, root_of(judged.window.header, judged.window.digest))
    inclusion = receipt.inclusion
    yield passed(f"the record is number {inclusion.index} of the {inclusion.tree_size} in the window")
    case.claims = {**_claims(receipt, judged.credential)}


def check_tenant(case: ReceiptCase) -> Iterable[Finding]:
    """Yield whose the record is, and what commitment the salt makes of it."""
    receipt = _receipt(case)
    tenant = receipt.record.tenant_id
    if tenant is None:
        yield warning(Notice.NOT_BOUND, "the record names no tenant: it is that of the node, by the issuer's word")
        return
    told = f"the record names the tenant {tenant}, as the node named it"
    if is_plain_name(tenant):
        told += "; whom that stands for is the issuer's word"
    if receipt.tenant_salt is not None:
        told += f"; its commitment with this salt is {tenant_commitment(tenant, receipt.tenant_salt)}"
    yield passed(told)


def check_status(_: ReceiptCase) -> Iterable[Finding]:
    """Yield that a receipt has no status of its own: only the window's was looked at."""
    yield skipped(
        "a receipt has no status of its own, and only its window's was looked at: whether the inference's own "
        "credential was revoked or suspended it cannot tell; ask the issuer for that credential, and check it"
    )


RECEIPT_STEPS: Final[tuple[Step[ReceiptCase], ...]] = (
    Step("parse", check_parsed, _JSON),
    Step("model", check_model, _RECEIPT, needs=("parse",)),
    Step("window", check_window, _MODEL, needs=("parse", "model")),
    Step("inclusion", check_inclusion, _MERKLE, needs=("parse", "model")),
    Step("tenant", check_tenant, _RECEIPT, needs=("parse", "model", "inclusion")),
    Step("status", check_status, _RECEIPT, needs=("parse", "model")),
)
"""All that is checked of a receipt, in order."""


def finished(case: ReceiptCase, report: Report) -> Report:
    """Return the report with the window's inside, and with the record's figures where they were shown."""
    inner = () if case.judged is None else (msgspec.structs.replace(case.judged.report, evidence=(), policy=None),)
    issuer = None if case.judged is None else case.judged.report.issuer
    # The record has the window's intensity, and its figures are shown only where it was shown to be in that window.
    grid = case.judged.report.grid if case.judged is not None and case.claims else None
    return msgspec.structs.replace(report, issuer=issuer, subject=case.claims, grid=grid, credentials=inner)


def _receipt(case: ReceiptCase) -> Receipt:
    if case.receipt is None:
        raise TypeMismatchError("this is no receipt")
    return case.receipt


def _absent(case: ReceiptCase, name: str) -> Finding:
    fetched = case.evidence.credentials.get(name)
    reason = "name its file with --window" if fetched is None or fetched.detail is None else fetched.detail
    return undecided(Notice.EVIDENCE_NOT_CHECKED, f"the window's credential {name} is not at hand: {reason}")


def _claims(receipt: Receipt, window: GreenComputeWindowCredential) -> Mapping[str, str]:
    """Return the record's figures by the names of the vocabulary; PUE and intensity are the window's."""
    record, subject = receipt.record, window.credential_subject
    energy_kwh, emissions = _totals(record, window)
    claims = {
        "inferenceId": record.inference_id,
        "modelId": record.model_id,
        "nodeId": subject.node_id,
        "periodStart": times.render_claim(times.from_microseconds(record.start_us)),
        "periodEnd": times.render_claim(times.from_microseconds(record.end_us)),
        "durationSeconds": seconds(record.duration_us),
        "acceleratorActiveKwh": kwh(record.accelerator_active_mj),
        "acceleratorIdleKwh": kwh(record.accelerator_loaded_idle_mj + record.accelerator_idle_mj),
        "hostKwh": kwh(record.host_cpu_mj + record.host_dram_mj + record.host_other_mj),
        "networkKwh": kwh(record.network_mj),
        "energyKwh": energy_kwh,
        "operationalEmissionsGco2e": emissions,
        "carbonIntensityGco2ePerKwh": subject.carbon_intensity_gco2e_per_kwh,
        "carbonIntensitySource": subject.carbon_intensity_source,
        "measurementMethod": subject.measurement_method,
        "attributionMethod": record.attribution,
        "assurance": subject.assurance,
        "windowCredential": window.id,
    }
    if record.tenant_id is not None:
        claims["tenantId"] = record.tenant_id
    return claims


def _totals(record: WindowRecord, window: GreenComputeWindowCredential) -> tuple[str, str]:
    """Return energyKwh and operationalEmissionsGco2e by FORMATS.md "Formulas"."""
    subject = window.credential_subject
    parts = (
        record.accelerator_active_mj,
        record.accelerator_loaded_idle_mj + record.accelerator_idle_mj,
        record.host_cpu_mj + record.host_dram_mj + record.host_other_mj,
        record.network_mj,
    )
    it_kwh = decimals.add(*(decimals.kwh_from_mj(part) for part in parts))
    energy_kwh = decimals.multiply(it_kwh, Decimal(1) if subject.pue is None else decimals.parse(subject.pue))
    emissions = decimals.multiply(energy_kwh, decimals.parse(subject.carbon_intensity_gco2e_per_kwh))
    return decimals.render(energy_kwh), decimals.render(emissions)
