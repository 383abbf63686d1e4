"""A measurement as the signed record that is posted (FORMATS.md "Plain JSON: telemetry"). Pure but for the key.

The record says what was measured, by what method, and whether it is simulated. It is read back by the format's own
strict reader before it is signed, so that what the issuer would refuse for its shape never enters the spool.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from agent.errors import SettingsError
from agent.measurement import Measurement
from did.keys import Algorithm, PublicKey
from did.signers import Signer
from schemas import base64url, decimals, telemetry, times
from schemas.strict_json import JsonObject

ALGORITHMS: Final[tuple[Algorithm, ...]] = ("ES256", "EdDSA", "PS256")
"""What a node may sign with: ECDSA P-256 as r || s (64 bytes), Ed25519, RSA-PSS with SHA-256 and salt 32."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Whose figure it is: the node as enrolled, the model that ran, the inference or job."""

    node_id: str
    model_id: str
    inference_id: str


def signing_algorithm(key: PublicKey) -> Algorithm:
    """Return the algorithm that a node's key signs with. Raises SettingsError for a key that none fits."""
    for algorithm in key.algorithms:
        if algorithm in ALGORITHMS:
            return algorithm
    raise SettingsError("the node's key must be P-256, Ed25519 or RSA; make one with green-agent enroll")


def unsigned_body(measurement: Measurement, labels: Labels) -> JsonObject:
    """Return the record's members, all but the signature.

    ``timestamp`` is the end by the wall clock, ``duration_s`` is by CLOCK_BOOTTIME, and ``period_start`` follows
    from the two. ``simulated`` stands there only if it is true.
    """
    end_us = measurement.end_wall_ns // 1000
    body: JsonObject = {
        "node_id": labels.node_id,
        "model_id": labels.model_id,
        "inference_id": labels.inference_id,
        "timestamp": times.render_claim(times.from_microseconds(end_us)),
        "energy_kwh": decimals.render(decimals.kwh_from_mj(measurement.energy_mj)),
        "method": measurement.method,
    }
    if measurement.duration_us > 0:
        body["duration_s"] = decimals.render(Decimal(measurement.duration_us).scaleb(-6))
        body["period_start"] = times.render_claim(times.from_microseconds(end_us - measurement.duration_us))
    if measurement.utilization_percent is not None:
        body["gpu_utilization"] = str(measurement.utilization_percent)
    if measurement.simulated:
        body["simulated"] = True
    return body


def sign(body: JsonObject, signer: Signer) -> bytes:
    """Return the record's bytes: JCS of ``body`` with ``signature`` over the JCS of ``body`` without it.

    Raises SchemaInvalidError or MalformedValueError where the issuer would refuse the shape, and what the key's
    backend raises.
    """
    signature = signer.sign(telemetry.signing_input(body), signing_algorithm(signer.public_key))
    signed: JsonObject = {**body, "signature": base64url.encode(signature)}
    telemetry.read_record(signed)
    return telemetry.record_bytes(signed)


def signed_record(measurement: Measurement, labels: Labels, signer: Signer) -> bytes:
    """Return the signed record of a measurement, ready for the spool; raises as ``sign``."""
    return sign(unsigned_body(measurement, labels), signer)
