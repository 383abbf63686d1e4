"""A credential held against the telemetry that it was made from: does it say what the node signed?"""

from __future__ import annotations

from collections.abc import Iterator

from schemas import decimals, times
from schemas.credential import GreenComputeCredential
from schemas.telemetry import TelemetryRecord
from schemas.terms import METHODS

_BEYOND_THE_RECORD = ("accelerator_idle_kwh", "host_kwh", "network_kwh")


def mismatches(record: TelemetryRecord, credential: GreenComputeCredential) -> Iterator[str]:
    """Yield each claim that is not the record's, by its name, with both values."""
    subject = credential.credential_subject
    yield from _unequal("nodeId", subject.node_id, record.node_id)
    yield from _unequal("modelId", subject.model_id, record.model_id)
    yield from _unequal("inferenceId", subject.inference_id, record.inference_id)
    yield from _unequal("periodEnd", subject.period_end, times.render_claim(record.timestamp))
    begin = None if record.period_start is None else times.render_claim(record.period_start)
    yield from _unequal("periodStart", subject.period_start, begin)
    duration = None if record.duration_s is None else decimals.render(record.duration_s)
    yield from _unequal("durationSeconds", subject.duration_seconds, duration)
    energy_kwh = decimals.render(decimals.kwh_from_mj(record.energy_mj))
    yield from _unequal("acceleratorActiveKwh", subject.accelerator_active_kwh, energy_kwh)
    if METHODS.index(subject.measurement_method) > METHODS.index(record.method):
        yield f"measurementMethod: {subject.measurement_method} is claimed, the node signed {record.method}"
    if record.simulated and subject.assurance != "simulated":
        yield f"assurance: {subject.assurance} is claimed, and the node signed that the figures are simulated"


def beyond_the_record(credential: GreenComputeCredential) -> list[str]:
    """Return the energy boundaries that are claimed and that a posted record does not speak of."""
    subject = credential.credential_subject
    return [name for name in _BEYOND_THE_RECORD if getattr(subject, name) is not None]


def _unequal(name: str, claimed: str | None, signed: str | None) -> Iterator[str]:
    if claimed != signed:
        yield f"{name}: {claimed or 'nothing'} is claimed, the node signed {signed or 'nothing'}"
