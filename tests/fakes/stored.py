"""Rows for tests of the store: an issuer, two tenants, a node each, and reservations."""

from __future__ import annotations

from typing import Any

import msgspec

from issuer.store import Store
from issuer.store.records import NodeRecord, Reservation, Reserved, StoredCredential

NOW_US = 1_795_204_800_000_000
"""2026-11-20T20:00:00Z."""

JWK = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}

_RESERVATION = Reservation(
    issuer_slug="root",
    tenant_id="acme",
    inference_id="inference-1",
    body_digest="body-1",
    now_us=NOW_US,
    period_end_us=NOW_US,
    node_id="acme-node",
    model_id="org/model",
    energy_kwh="0.25",
    operational_emissions_gco2e="100.5",
    emission_factor_type="lifecycle",
)


async def furnish(store: Store) -> None:
    """Add the issuer "root", the tenants "acme" and "umbra" and their nodes "acme-node" and "umbra-node"."""
    await store.issuers.add("root", "did:web:example.com", "Example", now_us=NOW_US)
    for tenant in ("acme", "umbra"):
        await store.tenants.add(tenant, "root", tenant.title(), now_us=NOW_US)
        await store.nodes.add(node(f"{tenant}-node", tenant_id=tenant))


def node(node_id: str = "node-7", **changes: Any) -> NodeRecord:
    """Return a node with a key of its own."""
    plain = NodeRecord(
        id=node_id,
        tenant_id="acme",
        jwk=JWK,
        key_uri=f"urn:ietf:params:oauth:jwk-thumbprint:sha-256:{node_id}",
        grid_region="DE",
        tdp_w=700,
        created_us=NOW_US,
    )
    return msgspec.structs.replace(plain, **changes)


def reservation(**changes: Any) -> Reservation:
    """Return a reservation of acme's inference-1 with some fields changed."""
    return msgspec.structs.replace(_RESERVATION, **changes)


def build(reserved: Reserved) -> bytes:
    """Return bytes that name what was reserved, as an unsecured document does."""
    return f"unsecured {reserved.id} {reserved.list_id} {reserved.index}".encode()


async def issued(store: Store, **changes: Any) -> StoredCredential:
    """Reserve and complete a credential."""
    reserved = await store.credentials.reserve(reservation(**changes), build)
    return await store.credentials.complete(reserved.id, b"document " + reserved.id.encode(), NOW_US)
