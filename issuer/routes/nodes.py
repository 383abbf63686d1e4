"""Nodes: registered by an administrator's key, or enrolled by an invite token and the proof of their own key."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request, Response, get, post

from issuer import enrolment
from issuer.access import Access
from issuer.auth import caller_of
from issuer.http.answers import JSON, json_answer, names_or_null
from issuer.http.body import read_json
from issuer.http.documentation import Consumes, Produces, documented
from issuer.http.parameters import Tenant
from issuer.http.query import optional
from issuer.node_details import NodeDetails
from issuer.node_view import node_view
from issuer.refusals import counted
from issuer.service import service_of
from issuer.tenant_id import TENANT_ID
from schemas import strict_json, times
from schemas.errors import SchemaInvalidError
from schemas.strict_json import JsonObject

T = TypeVar("T", bound=msgspec.Struct)

_JWK: Final[JsonObject] = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
_REGISTRATION: Final[JsonObject] = {
    "node_id": "node-7",
    "tenant_id": "acme",
    "grid_region": "DEU",
    "tdp_w": 700,
    "accelerator_model": "NVIDIA H100 80GB HBM3",
    "pue": "1.2",
    "pue_kind": "reported",
    "pue_source": "operator, 2025",
    "claims": {
        "embodied": {"total_gco2e": "1500000", "lifetime_hours": 35064, "source": "maker's PCF, 2025"},
        "market_based": {
            "gco2e_per_kwh": "24.6",
            "instrument": "https://registry.example/eac/2026-11/8841",
            "valid_from": "2026-11-01T00:00:00Z",
            "valid_until": "2026-12-01T00:00:00Z",
        },
    },
    "jwk": _JWK,
}
_ENROLMENT: Final[JsonObject] = {
    "token": "gci_vGk0Jm1mYvXw2cQ4Zr8hWq3n6Ls9Tt5Bb7Dd1Ff3Hh4",
    "jwk": _JWK,
    "signature": "4U2xlEEm6Eef2XEyhkKHpmYibR_jXqKNEea5eM08qMe-4c52MwYuKNWaKLQXjOv_Rxowvrof7-Ru4VmkLiWTYQ",
}


@post(
    "/api/v1/nodes",
    **documented(
        "Nodes",
        Access.ADMIN,
        Produces(201, JSON, "The node as it is on file.", schema="Node"),
        reads=Consumes("NodeRegistration", "What the node may claim, and its public key as a JWK.", _REGISTRATION),
        problems=(404, 409, 422),
    ),
)
async def register_node(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Register a node with its public key."""
    service, caller = service_of(request), caller_of(request)
    settings = service.settings
    raw = await read_json(request, max_bytes=settings.body_max_bytes, timeout_s=settings.body_timeout_s)
    details, jwk = _registration(strict_json.parse_object(raw))
    caller.tenant_filter(details.tenant_id)
    now = service.clock.now()
    node = await enrolment.register(service.store, details, jwk, now)
    await service.store.log.append(times.to_microseconds(now), caller.actor, "add-node", node.id, node.key_uri)
    return json_answer(node_view(node), HTTPStatus.CREATED)


@get(
    "/api/v1/nodes",
    **documented("Nodes", Access.ADMIN, Produces(200, JSON, "`items`, by id.", schema="Nodes")),
)
async def list_nodes(request: Request[Any, Any, Any], tenant: Tenant = None) -> Response[bytes]:
    """Return the nodes of the key's tenant, revoked ones too."""
    owner = caller_of(request).tenant_filter(optional(tenant, TENANT_ID, "tenant"))
    found = await service_of(request).store.nodes.all(owner)
    return json_answer({"items": [node_view(node) for node in found]})


@post(
    "/api/v1/nodes/enrol",
    **documented(
        "Nodes",
        Access.INVITE_TOKEN,
        Produces(201, JSON, "The node as it is on file, and what its records may name.", schema="EnrolledNode"),
        reads=Consumes(
            "Enrolment",
            "An invite token, the node's public JWK, and its signature over the enrolment (docs/protocol.md).",
            _ENROLMENT,
        ),
        problems=(401, 409, 422, 429),
    ),
)
async def enrol_node(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Enrol a node: the token says what it may claim, its signature that it holds the key.

    The same token with the same key gives the same node again, since an answer may have been lost.
    """
    service = service_of(request)
    settings = service.settings
    with counted(request):
        raw = await read_json(request, max_bytes=settings.telemetry_max_bytes, timeout_s=settings.body_timeout_s)
        asked = _shape(strict_json.parse_object(raw), enrolment.EnrolmentRequest)
        node = await enrolment.enrol(service.store, asked, service.clock.now())
    names = await service.issuance.windows.tenant_names(node)
    return json_answer(node_view(node) | {"tenants": names_or_null(names)}, HTTPStatus.CREATED)


def _registration(body: JsonObject) -> tuple[NodeDetails, JsonObject]:
    jwk = body.get("jwk")
    if not isinstance(jwk, dict):
        raise SchemaInvalidError("jwk: the node's public key as a JWK object is required")
    return _shape({name: value for name, value in body.items() if name != "jwk"}, NodeDetails), jwk


def _shape(body: JsonObject, wanted: type[T]) -> T:
    try:
        return msgspec.convert(body, wanted)
    except msgspec.ValidationError as error:
        raise SchemaInvalidError(f"the body does not have the required shape: {error}") from error


HANDLERS: Final = (register_node, list_nodes, enrol_node)
