"""Rules that need the subject and its envelope at once, for decoding and for the JSON Schemas alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.errors import SchemaInvalidError
from schemas.strict_json import Json, JsonObject


def _subject(members: Mapping[str, Json]) -> JsonObject:
    subject = members.get("credentialSubject")
    return subject if isinstance(subject, dict) else {}


@dataclass(frozen=True, slots=True)
class SimulatedMarker:
    """``marker`` is the third type if and only if assurance is "simulated"."""

    marker: str

    def check(self, members: Mapping[str, Json], path: str) -> None:
        """Raise SchemaInvalidError where one stands without the other."""
        types = members.get("type")
        marked = isinstance(types, list) and self.marker in types
        if marked != (_subject(members).get("assurance") == "simulated"):
            raise SchemaInvalidError(
                f'{path}type: {self.marker} stands there if and only if credentialSubject.assurance is "simulated"'
            )

    def schema(self) -> JsonObject:
        """Return the schema: three types if simulated, else two."""
        simulated: JsonObject = {"properties": {"assurance": {"const": "simulated"}}}
        return {
            "if": {"properties": {"credentialSubject": simulated}},
            "then": {"properties": {"type": {"minItems": 3}}},
            "else": {"properties": {"type": {"maxItems": 2}}},
        }


@dataclass(frozen=True, slots=True)
class NeedsEvidence:
    """Where ``claim`` stands in the subject, evidence of type ``kind`` must be there."""

    claim: str
    kind: str

    def check(self, members: Mapping[str, Json], path: str) -> None:
        """Raise SchemaInvalidError where the claim stands without such evidence."""
        evidence = members.get("evidence")
        entries = evidence if isinstance(evidence, list) else []
        if self.claim in _subject(members) and not any(
            isinstance(entry, dict) and entry.get("type") == [self.kind] for entry in entries
        ):
            raise SchemaInvalidError(f"{path}credentialSubject.{self.claim}: only with {self.kind}")

    def schema(self) -> JsonObject:
        """Return the schema."""
        return {
            "if": {"properties": {"credentialSubject": {"required": [self.claim]}}},
            "then": {"properties": {"evidence": {"contains": {"properties": {"type": {"const": [self.kind]}}}}}},
        }
