"""Credentials held against the window that they were made from: does each say what the node signed?

Every figure that the header or the record has is derived again, exactly, by the formulas of FORMATS.md, and
compared as text. What is left out says nothing; but an energy that was measured and left out makes the sum less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

from schemas import decimals, receipt, times
from schemas.credential import GreenComputeCredential, GreenComputeWindowCredential
from schemas.terms import METHODS
from schemas.window_header import WindowHeader
from schemas.window_record import WindowRecord

Windowed: TypeAlias = GreenComputeCredential | GreenComputeWindowCredential

_HOST: Final = ("host_cpu_mj", "host_dram_mj", "host_other_mj")
_IDLE: Final = ("accelerator_loaded_idle_mj", "accelerator_idle_mj")
_COVERAGE_DECIMALS: Final = 6
_US_DECIMALS: Final = 6


def window_mismatches(credential: GreenComputeWindowCredential, header: WindowHeader, digest: str) -> Iterator[str]:
    """Yield each claim that is not the header's, by its name, with both values. ``digest`` is the window's."""
    subject = credential.credential_subject
    yield from _shared(credential, header)
    yield from _period(credential, header)
    yield from _energies(credential, header)
    yield from _unequal("unattributedKwh", subject.unattributed_kwh, kwh(header.unattributed_mj))
    yield from _unequal("windowSequence", subject.window_sequence, str(header.sequence))
    yield from _unequal("bootEpoch", subject.boot_epoch, header.boot_epoch)
    yield from _unequal("windowDigest", subject.window_digest, digest)
    yield from _unequal("previousWindowDigest", subject.previous_window_digest, header.previous)
    yield from _unequal("recordCount", subject.record_count, str(header.records))
    yield from _unequal("recordsMerkleRoot", subject.records_merkle_root, header.merkle_root)
    yield from _unequal("freshness", subject.freshness, header.freshness)
    uuids = {one.uuid for one in header.accelerators}
    if set(subject.accelerator_id) != uuids:
        yield f"acceleratorId: {_listed(subject.accelerator_id)} is claimed, the node signed {_listed(uuids)}"


def record_mismatches(credential: GreenComputeCredential, record: WindowRecord, header: WindowHeader) -> Iterator[str]:
    """Yield each claim that is not the record's, or not the header's that the record belongs to."""
    subject = credential.credential_subject
    yield from _shared(credential, header)
    yield from _unequal("inferenceId", subject.inference_id or subject.job_id, record.inference_id)
    yield from _unequal("modelId", subject.model_id, record.model_id)
    yield from _period(credential, record)
    yield from _energies(credential, record)
    yield from _if_claimed("attributionMethod", subject.attribution_method, record.attribution)
    for term, claimed, counted in (
        ("inputTokens", subject.input_tokens, record.input_tokens),
        ("outputTokens", subject.output_tokens, record.output_tokens),
        ("requestCount", subject.request_count, record.requests),
    ):
        yield from _if_claimed(term, claimed, None if counted is None else str(counted))
    yield from _functional_unit(credential, record)
    named = record.tenant_id
    if subject.tenant_id is not None and named is not None and not is_plain_name(named):
        yield from _unequal("tenantId", subject.tenant_id, named)


def is_plain_name(tenant: str) -> bool:
    """Return whether a record names its tenant by a name of the issuer's own, and by no IRI.

    ``tenantId`` is an IRI, so it cannot say such a name again; which IRI it stands for only the issuer can say, as where
    the record names nobody. What has a colon is, or passes for, an IRI, and is compared.
    """
    return ":" not in tenant


def tenant_mismatch(credential: GreenComputeCredential, record: WindowRecord, salt: str) -> Iterator[str]:
    """Yield where a tenant's commitment is not what ``salt`` (base64url) and the record's tenant make."""
    commitment = credential.credential_subject.tenant_commitment
    if commitment is not None and record.tenant_id is not None:
        yield from _unequal("tenantCommitment", commitment, receipt.tenant_commitment(record.tenant_id, salt))


def sum_mismatches(credential: GreenComputeWindowCredential, records: Sequence[WindowRecord]) -> Iterator[str]:
    """Yield each count of a window that is not the sum over its records: tokens, requests, attribution."""
    subject = credential.credential_subject
    for term, claimed, name in (
        ("inputTokens", subject.input_tokens, "input_tokens"),
        ("outputTokens", subject.output_tokens, "output_tokens"),
        ("requestCount", subject.request_count, "requests"),
    ):
        yield from _if_claimed(term, claimed, str(sum(getattr(record, name) or 0 for record in records)))
    methods = sorted({record.attribution for record in records})
    if subject.attribution_method is not None and methods and subject.attribution_method not in methods:
        yield f"attributionMethod: {subject.attribution_method} is claimed, the records have {_listed(methods)}"


def beyond_the_header(credential: GreenComputeWindowCredential) -> list[str]:
    """Return the terms that are claimed and that only the records of the window could show."""
    subject = credential.credential_subject
    claimed = {
        "inputTokens": subject.input_tokens,
        "outputTokens": subject.output_tokens,
        "requestCount": subject.request_count,
        "attributionMethod": subject.attribution_method,
    }
    return [term for term, value in claimed.items() if value is not None]


def kwh(energy_mj: int) -> str:
    """Return a boundary's kWh as it is claimed (FORMATS.md "Values")."""
    return decimals.render(decimals.kwh_from_mj(energy_mj))


def coverage(header: WindowHeader) -> str:
    """Return measured time / period, rounded down to 6 decimals."""
    millionths = header.measured_us * 10**_COVERAGE_DECIMALS // header.duration_us
    return decimals.render(Decimal(millionths).scaleb(-_COVERAGE_DECIMALS))


def seconds(microseconds: int) -> str:
    """Return microseconds as a claim's seconds."""
    return decimals.render(Decimal(microseconds).scaleb(-_US_DECIMALS))


def models(header: WindowHeader) -> str:
    """Return the product names of the window's accelerators, sorted, each once, joined by ``, ``."""
    return ", ".join(sorted({one.model for one in header.accelerators}))


def _shared(credential: Windowed, header: WindowHeader) -> Iterator[str]:
    subject = credential.credential_subject
    yield from _unequal("nodeId", subject.node_id, header.node_id)
    yield from _if_claimed("acceleratorModel", subject.accelerator_model, models(header))
    yield from _if_claimed("measurementCoverage", subject.measurement_coverage, coverage(header))
    yield from _if_claimed("largestGapSeconds", subject.largest_gap_seconds, seconds(header.largest_gap_us))
    if METHODS.index(subject.measurement_method) > METHODS.index(header.method):
        yield f"measurementMethod: {subject.measurement_method} is claimed, the node signed {header.method}"
    if header.simulated and subject.assurance != "simulated":
        yield f"assurance: {subject.assurance} is claimed, and the node signed that the figures are simulated"


def _period(credential: Windowed, signed: WindowHeader | WindowRecord) -> Iterator[str]:
    subject = credential.credential_subject
    yield from _unequal("periodStart", subject.period_start, _moment(signed.start_us))
    yield from _unequal("periodEnd", subject.period_end, _moment(signed.end_us))
    # A record of no duration by its clock (shorter than the clock's tick) states none: zero is no duration.
    duration = seconds(signed.duration_us) if signed.duration_us else None
    yield from _unequal("durationSeconds", subject.duration_seconds, duration)


def _energies(credential: Windowed, signed: WindowHeader | WindowRecord) -> Iterator[str]:
    subject = credential.credential_subject
    for term, claimed, energy_mj in (
        ("acceleratorActiveKwh", subject.accelerator_active_kwh, signed.accelerator_active_mj),
        ("acceleratorIdleKwh", subject.accelerator_idle_kwh, _sum(signed, _IDLE)),
        ("hostKwh", subject.host_kwh, _sum(signed, _HOST)),
        ("networkKwh", subject.network_kwh, signed.network_mj),
        ("estimatedKwh", subject.estimated_kwh, signed.estimated_mj),
    ):
        if claimed is not None or energy_mj:
            yield from _unequal(term, claimed, kwh(energy_mj))


def _functional_unit(credential: GreenComputeCredential, record: WindowRecord) -> Iterator[str]:
    """Compare the count of a unit that the record has. Tokens are those read and those written."""
    subject = credential.credential_subject
    tokens = (record.input_tokens or 0) + (record.output_tokens or 0)
    counted = {"token": tokens, "request": record.requests}.get(subject.functional_unit or "")
    if counted is not None:
        yield from _if_claimed("functionalUnitCount", subject.functional_unit_count, str(counted))


def _sum(signed: WindowHeader | WindowRecord, names: Sequence[str]) -> int:
    return sum(getattr(signed, name) for name in names)


def _moment(microseconds: int) -> str | None:
    try:
        return times.render_claim(times.from_microseconds(microseconds))
    except OverflowError:
        return None  # past the year 9999, which no claim can say


def _if_claimed(term: str, claimed: str | None, signed: str | None) -> Iterator[str]:
    if claimed is not None:
        yield from _unequal(term, claimed, signed)


def _unequal(term: str, claimed: str | None, signed: str | None) -> Iterator[str]:
    if claimed != signed:
        yield f"{term}: {claimed or 'nothing'} is claimed, the node signed {signed or 'nothing'}"


def _listed(values: Sequence[str] | set[str] | tuple[str, ...]) -> str:
    return ", ".join(sorted(values)) or "none"
