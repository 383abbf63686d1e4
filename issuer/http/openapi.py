"""The OpenAPI document of the service, made once from the routes and what they say about themselves."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Server, Tag

from issuer.http.documentation import KEY_SCHEME
from issuer.node_details import MAX_TDP_W
from schemas import json_schema
from schemas.strict_json import Json, JsonObject

_INTERFACE_VERSION: Final = "1.0"
_TITLE: Final = "Green compute issuer"
_DESCRIPTION: Final = """\
Verifiable energy and carbon receipts for AI workloads. Errors are problem documents (RFC 9457). Decimals are
strings, exact; times are UTC. API keys go into `Authorization: Bearer gck_…`; nodes sign their records instead.
"""
_TAGS: Final = {
    "Identity": "DID documents of the issuers.",
    "Telemetry": "Nodes post what an inference consumed, or windows of many.",
    "Certificates": "A tenant's credentials by inference.",
    "Analytics": "Exact sums and exports.",
    "Credentials": "Credentials by id, and the W3C VC API.",
    "Status": "Signed status lists.",
    "Evidence": "What a verifier checks again.",
    "Vocabulary": "Context and schemas.",
    "Nodes": "Registration and enrolment.",
    "Service": "Health and description.",
}

_TEXT: Final[JsonObject] = {"type": "string"}
_MAYBE_TEXT: Final[JsonObject] = {"type": ["string", "null"]}
_NAMES: Final[JsonObject] = {"type": ["array", "null"], "items": _TEXT}
_JWK: Final[JsonObject] = {"type": "object", "required": ["kty"]}


def _object(properties: JsonObject, *, optional: Iterable[str] = (), closed: bool = True) -> JsonObject:
    required: list[Json] = [name for name in properties if name not in set(optional)]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": not closed}


_PROFILE: Final = _object(
    {
        "embodied": _object(
            {"total_gco2e": _TEXT, "lifetime_hours": {"type": "integer", "minimum": 1}, "source": _TEXT}
        ),
        "market_based": _object(dict.fromkeys(("gco2e_per_kwh", "instrument", "valid_from", "valid_until"), _TEXT)),
        "calibration": _object(dict.fromkeys(("standard_percent", "date", "reference"), _TEXT)),
        "pue_standard_percent": _TEXT,
    },
    optional=["embodied", "market_based", "calibration", "pue_standard_percent"],
)
_REGISTRATION: Final[JsonObject] = {
    "node_id": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
    "tenant_id": _TEXT,
    "grid_region": _TEXT,
    "tdp_w": {"type": "integer", "minimum": 1, "maximum": MAX_TDP_W},
    "accelerator_model": _MAYBE_TEXT,
    "pue": _MAYBE_TEXT,
    "pue_kind": {"enum": ["metered", "reported", "default", None]},
    "pue_source": _MAYBE_TEXT,
    "claims": {"anyOf": [_PROFILE, {"type": "null"}]},
    "simulated": {"type": "boolean"},
    "jwk": _JWK,
}
_NODE_MEMBERS: Final[JsonObject] = {
    **_REGISTRATION,
    "state": {"enum": ["active", "revoked"]},
    "key_uri": _TEXT,
    "attestation": {"enum": ["tpm-emulated", "tpm-virtual", "tpm-hardware", None]},
    "ek": _MAYBE_TEXT,
    "ak": _MAYBE_TEXT,
    "enrolment": _MAYBE_TEXT,
    "created": _TEXT,
}
_NODE: Final = _object(_NODE_MEMBERS)
_FACTOR_TYPES: Final = ("direct", "lifecycle")
_COUNT: Final[JsonObject] = {"type": ["integer", "null"]}
_KIND_OF_SUM: Final = _object(
    {
        "energy_kwh": _TEXT,
        "intensity_gco2e_per_kwh": _MAYBE_TEXT,
        "operational_gco2e": _TEXT,
        "embodied_gco2e": _MAYBE_TEXT,
        "functional_units": _object({"request": _COUNT, "token": _COUNT}),
        "sci_gco2e": _object({"request": _MAYBE_TEXT, "token": _MAYBE_TEXT}),
        "market_based": _object(
            {
                "energy_kwh": _TEXT,
                "emissions_gco2e": _MAYBE_TEXT,
                "residual_energy_kwh": _TEXT,
                "residual_location_based_gco2e": _TEXT,
            }
        ),
    }
)
_QUALITY: Final = _object(
    {
        "estimated_kwh": _TEXT,
        "estimated_not_stated_kwh": _TEXT,
        "below_full_coverage_kwh": _TEXT,
        "coverage_not_stated_kwh": _TEXT,
        "provisional_kwh": _TEXT,
        "assurance_kwh": {"type": "object", "additionalProperties": _TEXT},
    }
)
_SUM: Final = _object(
    {
        "count": {"type": "integer"},
        "energy_kwh": _TEXT,
        "emissions_gco2e": _object(dict.fromkeys(_FACTOR_TYPES, _TEXT), optional=_FACTOR_TYPES),
        "by_factor_type": _object(dict.fromkeys(_FACTOR_TYPES, _KIND_OF_SUM), optional=_FACTOR_TYPES),
        "quality": _QUALITY,
    }
)
_CREDENTIAL_ITEM: Final = _object(
    {
        "id": {"type": "string", "format": "uri"},
        "type": _TEXT,
        "tenant_id": _TEXT,
        "inference_id": _MAYBE_TEXT,
        "model_id": _MAYBE_TEXT,
        "node_id": _MAYBE_TEXT,
        "period_start": _MAYBE_TEXT,
        "period_end": _MAYBE_TEXT,
        "energy_kwh": _TEXT,
        "operational_emissions_gco2e": _TEXT,
        "assurance": _MAYBE_TEXT,
        "simulated": {"type": "boolean"},
        "status": {"enum": ["valid", "suspended", "revoked", "superseded"]},
        "supersedes": {"type": ["string", "null"], "format": "uri"},
        "issued": _MAYBE_TEXT,
    }
)
_CHANGE: Final = _object(
    {
        "type": {"enum": ["StatusList2021Entry", "StatusList2021", "BitstringStatusListEntry", "BitstringStatusList"]},
        "status": {"enum": ["0", "1"]},
        "statusPurpose": {"enum": ["revocation", "suspension"]},
    },
    optional=["statusPurpose"],
)

SCHEMAS: Final[dict[str, JsonObject]] = {
    "Problem": _object(
        {"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT, "instance": _TEXT}
    ),
    "Health": _object({"status": {"const": "ok"}}),
    "EsrsReport": {"type": "object"},
    "NodeRegistration": _object(
        _REGISTRATION, optional=["accelerator_model", "pue", "pue_kind", "pue_source", "claims", "simulated"]
    ),
    "Node": _NODE,
    "EnrolledNode": _object({**_NODE_MEMBERS, "tenants": _NAMES}),
    "Nodes": _object({"items": {"type": "array", "items": _NODE}}),
    "Enrolment": _object({"token": _TEXT, "jwk": _JWK, "signature": _TEXT}),
    "TpmAttestation": _object(
        {
            "token": _TEXT,
            "ek_public": _TEXT,
            "ek_certificate": _TEXT,
            "intermediates": {"type": "array", "items": _TEXT, "maxItems": 16},
            "ak_public": _TEXT,
        },
        optional=["intermediates"],
    ),
    "TpmChallenge": _object(
        {
            "enrolment_id": _TEXT,
            "credential_blob": _TEXT,
            "encrypted_secret": _TEXT,
            "nonce": _TEXT,
            "previous": _MAYBE_TEXT,
            "expires": _TEXT,
        }
    ),
    "TpmActivation": _object(
        {"secret": _TEXT, "opening": {"type": "object"}, "chain_pcr": {"type": "integer"}}, optional=["chain_pcr"]
    ),
    "TpmNode": _object(
        {
            **_NODE_MEMBERS,
            "next_sequence": {"type": "integer"},
            "previous": _MAYBE_TEXT,
            "end_us": {"type": "integer"},
            "boot_epoch": _TEXT,
            "chain_value": _TEXT,
            "tpm_clock_ms": {"type": "integer"},
            "nonces": {"type": "array", "items": _TEXT},
            "tenants": _NAMES,
        }
    ),
    "Certificates": _object({"items": {"type": "array", "items": _CREDENTIAL_ITEM}, "next_cursor": _MAYBE_TEXT}),
    "AnyCredential": {
        "anyOf": [
            {"$ref": "#/components/schemas/Credential"},
            {"$ref": "#/components/schemas/WindowCredential"},
            {"type": "object", "required": ["proof", "credentialStatus"]},
        ]
    },
    "WindowRequest": {"type": "string", "contentMediaType": "application/x-ndjson"},
    "WindowTaken": _object(
        {
            "window": _TEXT,
            "credential": {"type": "string", "format": "uri"},
            "nonces": {"type": "array", "items": _TEXT},
            "tenants": _NAMES,
        },
        optional=["tenants"],
    ),
    "Receipt": _object(
        {
            "v": {"const": 1},
            "record": {"type": "object"},
            "inclusion": {"type": "object", "required": ["index", "tree_size", "path"]},
            "merkle_root": _TEXT,
            "window_digest": _TEXT,
            "window_credential": {"type": "string", "format": "uri"},
            "tenant_salt": _TEXT,
        },
        optional=["tenant_salt"],
    ),
    "NonceRequest": _object({"node_id": _TEXT, "timestamp": _TEXT, "signature": _TEXT}),
    "Nonces": _object({"nonces": {"type": "array", "items": _TEXT}, "tenants": _NAMES}),
    "Window": _object(
        {
            "window": _TEXT,
            "node_id": _TEXT,
            "tenant_id": _TEXT,
            "boot_epoch": _TEXT,
            "sequence": {"type": "integer"},
            "assurance": _TEXT,
            "records": {"type": "integer"},
            "received": _TEXT,
            "credential": {"type": ["string", "null"]},
            "status": {"enum": ["valid", "suspended", "revoked", None]},
            "evidence": {"type": "string", "format": "uri"},
            "enrolment": {"type": ["string", "null"]},
            "header": {"type": "object"},
            "flags": {"type": "array", "items": _object({"kind": _TEXT, "detail": _TEXT})},
        }
    ),
    "WindowsForAudit": _object(
        {
            "items": {
                "type": "array",
                "items": _object(
                    {
                        "window": _TEXT,
                        "boot_epoch": _TEXT,
                        "sequence": {"type": "integer"},
                        "credential": {"type": ["object", "null"]},
                        "nonce": {"type": ["object", "null"]},
                        "request": {
                            "type": "string",
                            "contentEncoding": "base64url",
                            "contentMediaType": "application/gzip",
                        },
                    }
                ),
            },
            "next_cursor": _MAYBE_TEXT,
        }
    ),
    "Emissions": _object(
        {
            "tenant_id": _MAYBE_TEXT,
            "model_id": _MAYBE_TEXT,
            "since": _MAYBE_TEXT,
            "until": _MAYBE_TEXT,
            **dict.fromkeys(("measured", "simulated", "suspended", "revoked"), _SUM),
        }
    ),
    "IssueRequest": _object(
        {"credential": {"type": "object"}, "options": {"type": "object", "maxProperties": 0}}, optional=["options"]
    ),
    "Issued": _object({"verifiableCredential": {"type": "object", "required": ["proof", "credentialStatus"]}}),
    "StatusRequest": _object(
        {
            "credentialId": {"type": "string", "maxLength": 512},
            "credentialStatus": {"oneOf": [_CHANGE, {"type": "array", "items": _CHANGE, "minItems": 1, "maxItems": 2}]},
        }
    ),
    "StatusChanged": _object(
        {
            "credentialId": {"type": "string", "format": "uri"},
            "revoked": {"type": "boolean"},
            "suspended": {"type": "boolean"},
            "changed": {"type": "boolean"},
        }
    ),
}
"""The schemas that routes name, by hand where no published one says it already."""

_PUBLISHED: Final = {
    "Telemetry": "telemetry-v1",
    "Credential": "credential-v1",
    "WindowCredential": "window-v1",
}


@cache
def openapi_document(handlers: tuple[HTTPRouteHandler, ...], public_url: str) -> bytes:
    """Return the OpenAPI 3.1 document of ``handlers`` as JSON bytes."""
    described: dict[str, Any] = Litestar([*handlers], openapi_config=_config(public_url)).openapi_schema.to_schema()
    components = described.setdefault("components", {})
    components["schemas"] = components.get("schemas", {}) | SCHEMAS | _published()
    return msgspec.json.encode(described)


def _config(public_url: str) -> OpenAPIConfig:
    scheme = SecurityScheme(type="http", scheme="bearer", description="An API key made by green-issuer api-keys add.")
    return OpenAPIConfig(
        title=_TITLE,
        version=_INTERFACE_VERSION,
        description=_DESCRIPTION,
        servers=[Server(url=public_url)],
        tags=[Tag(name=name, description=text) for name, text in _TAGS.items()],
        components=Components(security_schemes={KEY_SCHEME: scheme}),
        use_handler_docstrings=True,
    )


def _published() -> dict[str, JsonObject]:
    found: dict[str, JsonObject] = {}
    for name, file_name in _PUBLISHED.items():
        # Inside the document their definitions stand elsewhere than in the file of their own.
        text = json_schema.schema_bytes(file_name).decode("utf-8").replace('"#/', f'"#/components/schemas/{name}/')
        schema: JsonObject = json.loads(text)
        found[name] = {key: value for key, value in schema.items() if key not in {"$schema", "$id"}}
    return found
