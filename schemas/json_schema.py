"""Our JSON Schemas (draft 2020-12): written from the shapes that decoding uses, published as files.

A credential names its schema by URL and by the digest of the file's bytes. ``python -m
schemas.json_schema`` writes the files anew; a test holds them equal to what the shapes give. What a
schema cannot say (sums, ids that are made of others) is left to decoding and to verifier.claims.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

from schemas import digests, lexical, profile, telemetry
from schemas.errors import SchemaInvalidError
from schemas.shapes import Shape, Text
from schemas.strict_json import Json, JsonObject

_BASE: Final = "https://w3id.org/green-compute/schema/"
CREDENTIAL_URL: Final = f"{_BASE}credential-v1.json"
WINDOW_URL: Final = f"{_BASE}window-v1.json"
SUMMARY_URL: Final = f"{_BASE}summary-v1.json"
TELEMETRY_URL: Final = f"{_BASE}telemetry-v1.json"

SCHEMA_URLS: Final = {
    "credential-v1": CREDENTIAL_URL,
    "window-v1": WINDOW_URL,
    "summary-v1": SUMMARY_URL,
    "telemetry-v1": TELEMETRY_URL,
}
"""The URL of each schema by its name."""

URL_OF_TYPE: Final = {
    profile.CREDENTIAL_TYPE: CREDENTIAL_URL,
    profile.WINDOW_TYPE: WINDOW_URL,
    profile.SUMMARY_TYPE: SUMMARY_URL,
}
"""The schema of each type of credential."""

# Digests of editions once published: credentials that name one stay verifiable.
_EARLIER_EDITIONS: Final[dict[str, frozenset[str]]] = {}

_SHAPES: Final[dict[str, tuple[str, Shape]]] = {
    "credential-v1": (profile.CREDENTIAL_TYPE, profile.DOCUMENTS[profile.CREDENTIAL_TYPE]),
    "window-v1": (profile.WINDOW_TYPE, profile.DOCUMENTS[profile.WINDOW_TYPE]),
    "summary-v1": (profile.SUMMARY_TYPE, profile.DOCUMENTS[profile.SUMMARY_TYPE]),
    "telemetry-v1": ("Telemetry of one inference", telemetry.SHAPE),
}

_DEFINITIONS: Final = {
    "decimal": lexical.DECIMAL,
    "integer": lexical.INTEGER,
    "claimTime": lexical.CLAIM_TIME,
    "postedTime": lexical.POSTED_TIME,
    "envelopeTime": lexical.ENVELOPE_TIME,
    "digest": lexical.DIGEST,
    "base64url": lexical.BASE64URL,
    "string": lexical.STRING,
    "iri": lexical.IRI,
}


def generate(name: str) -> bytes:
    """Return the file of schema ``name`` as the shapes give it. Raises SchemaInvalidError for an unknown name."""
    title, shape = _SHAPES[_known(name)]
    used: dict[str, Json] = {}
    body = _with_references(shape.schema(), used)
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_URLS[name],
        "title": title,
        **body,
        "$defs": {definition: used[definition] for definition in _DEFINITIONS if definition in used},
    }
    return json.dumps(document, indent=1).encode() + b"\n"


@cache
def schema_bytes(name: str) -> bytes:
    """Return the published file of schema ``name`` ("credential-v1"). Raises SchemaInvalidError if there is none."""
    return (resources.files("schemas.data") / f"{_known(name)}.json").read_bytes()


@cache
def schema_digest(url: str) -> str:
    """Return digestMultibase of the current file at ``url``. Raises SchemaInvalidError for an unknown URL."""
    for name, known in SCHEMA_URLS.items():
        if known == url:
            return digests.digest(schema_bytes(name))
    raise SchemaInvalidError(f"{lexical.shown(url)} is none of our schemas: {', '.join(SCHEMA_URLS.values())}")


def known_digests(url: str) -> frozenset[str]:
    """Return the digests of every edition of the schema at ``url``; none for a URL that is not ours."""
    if url not in SCHEMA_URLS.values():
        return frozenset()
    return _EARLIER_EDITIONS.get(url, frozenset()) | {schema_digest(url)}


def _known(name: str) -> str:
    if name not in SCHEMA_URLS:
        raise SchemaInvalidError(f"{lexical.shown(name)} is none of our schemas: {', '.join(SCHEMA_URLS)}")
    return name


def _with_references(value: JsonObject, used: dict[str, Json]) -> JsonObject:
    """Return ``value`` with each lexical rule as a reference, and note the definitions that it needs."""
    for name, rule in _DEFINITIONS.items():
        if value == Text(rule).schema():
            used[name] = value
            return {"$ref": f"#/$defs/{name}"}
    return {member: _inside(item, used) for member, item in value.items()}


def _inside(value: Json, used: dict[str, Json]) -> Json:
    if isinstance(value, dict):
        return _with_references(value, used)
    return [_inside(item, used) for item in value] if isinstance(value, list) else value


def write(folder: Path) -> list[Path]:
    """Write every schema into ``folder`` and return the files."""
    files = []
    for name in SCHEMA_URLS:
        file = folder / f"{name}.json"
        file.write_bytes(generate(name))
        files.append(file)
    return files


if __name__ == "__main__":
    write(Path(__file__).parent / "data")
