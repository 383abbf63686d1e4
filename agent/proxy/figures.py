"""What a request used, as headers of its answer and as a comment in its stream. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import msgspec

from agent.measurement import Measurement
from agent.proxy.headers import Headers
from schemas import decimals

TRAILERS = b"X-Energy-Joules, X-Energy-Method, X-Energy-Attribution, X-Energy-Records, X-Energy-Unavailable"
"""What may come after a stream."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one request; ``records`` are the names of the newest records that became of it."""

    inference_id: str
    measurement: Measurement
    records: tuple[str, ...] = ()

    @property
    def joules(self) -> str:
        """The energy in J, an exact decimal."""
        return decimals.render(Decimal(self.measurement.energy_mj).scaleb(-3))


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """Why there are no figures: one word of ours."""

    reason: str


def attribution_of(measurement: Measurement) -> str:
    """Return by what rule the energy became this request's (attributionMethod): as its record says."""
    return "reserved-time" if "shared-in-process" in measurement.flags else "exclusive"


def begun_headers(inference_id: str, *, simulated: bool) -> Headers:
    """Return what is known when an answer begins."""
    named = [(b"X-Energy-Inference-Id", inference_id.encode("ascii"))]
    return [*named, (b"X-Energy-Simulated", b"true")] if simulated else named


def result_headers(result: Figures | Unmeasured) -> Headers:
    """Return what is known when the work has ended."""
    if isinstance(result, Unmeasured):
        return [(b"X-Energy-Unavailable", result.reason.encode("ascii"))]
    measured: Headers = [
        (b"X-Energy-Joules", result.joules.encode("ascii")),
        (b"X-Energy-Method", result.measurement.method.encode("ascii")),
        (b"X-Energy-Attribution", attribution_of(result.measurement).encode("ascii")),
    ]
    if result.records:
        measured.append((b"X-Energy-Records", ", ".join(result.records).encode("ascii")))
    return measured


def comment(result: Figures | Unmeasured) -> bytes:
    """Return the figures as a comment of a stream of events; clients ignore it."""
    members: dict[str, object]
    if isinstance(result, Unmeasured):
        members = {"unavailable": result.reason}
    else:
        members = {
            "joules": result.joules,
            "inference_id": result.inference_id,
            "method": result.measurement.method,
            "attribution": attribution_of(result.measurement),
            "records": list(result.records),
        }
        if result.measurement.simulated:
            members["simulated"] = True
    return b": energy " + msgspec.json.encode(members) + b"\n\n"
