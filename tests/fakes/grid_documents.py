"""Slots behind a carbon intensity as an issuer keeps them, made here by hand, and credentials that name them.

Means are computed with fractions, so that what computes them is not tested with itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any, Final

from schemas import digests, times
from schemas.strict_json import JsonObject
from tests.fakes.verifier import ORIGIN, World, fetched, telemetry_record
from tests.fakes.windows import WindowWorld, plain
from verifier.evidence import Evidence

LENGTH_US: Final = {
    "PT5M": 300_000_000,
    "PT15M": 900_000_000,
    "PT30M": 1_800_000_000,
    "PT1H": 3_600_000_000,
    "P1D": 86_400_000_000,
}
READ: Final = "2026-11-20T20:50:00Z"
ISSUED: Final = "2026-11-20T20:55:00Z"
END: Final = "2026-11-20T20:05:01.25Z"
"""Of the record of ``straddling``: its 2.75 s lie in two slots of five minutes."""


def us(text: str) -> int:
    return times.to_microseconds(times.parse_claim(text))


def slots_from(start: str, intensities: Sequence[str], granularity: str = "PT5M", **changes: Any) -> JsonObject:
    """Return the members of a document of slots that follow each other; ``changes`` are the document's."""
    length_us = LENGTH_US[granularity]
    document: JsonObject = {
        "v": 1,
        "provider": "electricity-maps",
        "source": "Electricity Maps v4",
        "licence": "by contract",
        "zone": "DE",
        "granularity": granularity,
        "factor_type": "lifecycle",
        "signal": "average",
        "slots": [
            {
                "start_us": us(start) + place * length_us,
                "end_us": us(start) + (place + 1) * length_us,
                "gco2e_per_kwh": intensity,
                "estimated": False,
                "tier": "history",
                "endpoint": "v4/carbon-intensity/past-range",
                "updated_us": us(READ) - 60_000_000,
                "retrieved_us": us(READ),
                "reply_digest": digests.digest(b"reply"),
            }
            for place, intensity in enumerate(intensities)
        ],
    }
    return {**document, **changes}


def raw_of(document: JsonObject) -> bytes:
    """Return the canonical bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def mean_of(document: JsonObject, start_us: int, end_us: int, energy_mj: int) -> str:
    """Return the mean over a period by FORMATS.md, each slot's energy split off at its edge, rounded down."""
    energy_mj = energy_mj or end_us - start_us
    total, given = Fraction(0), 0
    for slot in document["slots"]:
        until = min(slot["end_us"], end_us)
        reached = energy_mj * (until - start_us) // (end_us - start_us)
        total += (reached - given) * Fraction(slot["gco2e_per_kwh"])
        given = reached
    mean = total / energy_mj
    quotient = Decimal(mean.numerator * 10**30 // mean.denominator).scaleb(-30)
    return plain(quotient.quantize(Decimal("0.001"), rounding=ROUND_HALF_EVEN))


def claims_of(document: JsonObject, intensity: str, energy_kwh: str, **claims: object) -> JsonObject:
    """Return what is claimed of an intensity from slots; the claims of an annual average are None, to be left out."""
    return {
        "gridRegion": document["zone"],
        "carbonIntensityGco2ePerKwh": intensity,
        "carbonIntensitySource": document["source"],
        "carbonIntensityYear": None,
        "ipccCharacterizationFactors": None,
        "gridDataDigest": digests.digest(raw_of(document)),
        "carbonIntensityGranularity": document["granularity"],
        "carbonIntensityTier": document["slots"][0]["tier"],
        "emissionFactorType": document["factor_type"],
        "operationalEmissionsGco2e": plain(Decimal(energy_kwh) * Decimal(intensity)),
        **claims,
    }


def put_claims(value: JsonObject, claims: JsonObject) -> None:
    """Put claims into an unsecured credential; None takes one out."""
    subject = value["credentialSubject"] | claims
    value["credentialSubject"] = {name: claim for name, claim in subject.items() if claim is not None}


def straddling(**changes: object) -> World:
    """Return a world whose record lies in two slots of five minutes: 1.5 s in the first, 1.25 s in the second."""
    return World(record=telemetry_record(timestamp=END, **changes))


def posted(world: World, document: JsonObject, intensity: str | None = None, **claims: object) -> JsonObject:
    """Return the credential of the world's record by these slots, unless ``claims`` lie."""
    energy_kwh = world.record["energy_kwh"]
    end_us = us(world.record["timestamp"])
    duration = world.record.get("duration_s")
    start_us = end_us - (1 if duration is None else int(Decimal(duration) * 1_000_000))
    intensity = intensity or mean_of(document, start_us, end_us, int(Decimal(energy_kwh) * 3_600_000_000))

    def change(value: JsonObject) -> None:
        period = {
            "periodStart": None if duration is None else times.render_claim(times.from_microseconds(start_us)),
            "periodEnd": world.record["timestamp"],
            "durationSeconds": duration,
        }
        own = {"acceleratorActiveKwh": energy_kwh, "energyKwh": energy_kwh}
        put_claims(value, {**period, **own, **claims_of(document, intensity, energy_kwh, **claims)})
        value["issuanceDate"] = ISSUED

    return world.credential(change, created=ISSUED)


def window_claims(document: JsonObject, header: JsonObject, energy_kwh: str, **claims: object) -> JsonObject:
    """Return what a window's credential, or one of its inferences', claims by the slots of the window."""
    names = ("active", "loaded_idle", "idle")
    energy_mj = sum(header[f"accelerator_{name}_mj"] for name in names) + header["unattributed_mj"]
    energy_mj += sum(header[f"{name}_mj"] for name in ("host_cpu", "host_dram", "host_other", "network"))
    intensity = mean_of(document, header["start_us"], header["end_us"], energy_mj)
    return claims_of(document, intensity, energy_kwh, **claims)


def window_by(place: WindowWorld, document: JsonObject, **claims: object) -> JsonObject:
    """Return the credential of a place's first window by these slots."""
    made = place.made[0]
    energy_kwh = place.unsecured(made)["credentialSubject"]["energyKwh"]
    value = place.unsecured(made, **window_claims(document, made.header, energy_kwh, **claims))
    return place.world.issuer.sign(value | {"issuanceDate": ISSUED}, created=ISSUED)


def inference_by(place: WindowWorld, document: JsonObject, index: int = 0, **claims: object) -> JsonObject:
    """Return the credential of a record of a place's first window by these slots."""
    made = place.made[0]
    energy_kwh = place.inference(made, index)["credentialSubject"]["energyKwh"]
    value = place.inference(made, index, **window_claims(document, made.header, energy_kwh, **claims))
    return place.world.issuer.sign({**value, "issuanceDate": ISSUED}, created=ISSUED)


def beside(evidence: Evidence, *documents: JsonObject | bytes, name: str | None = None) -> Evidence:
    """Return the evidence with documents of slots in it; ``name`` puts the first under another digest."""
    found = {}
    for document in documents:
        raw = document if isinstance(document, bytes) else raw_of(document)
        found[name or digests.digest(raw)] = fetched(f"{ORIGIN}/evidence/slots", raw)
    return Evidence(attachments=found).joined(evidence)
