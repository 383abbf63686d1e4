"""A node as it is shown, over HTTP and on the command line."""

from __future__ import annotations

from issuer.claims.profile import profile_view
from issuer.store.records import NodeRecord
from schemas import times
from schemas.strict_json import JsonObject


def node_view(node: NodeRecord) -> JsonObject:
    """Return what is on file about a node, its public key included. Members as in a registration."""
    return {
        "node_id": node.id,
        "tenant_id": node.tenant_id,
        "state": node.state,
        "grid_region": node.grid_region,
        "tdp_w": node.tdp_w,
        "accelerator_model": node.accelerator_model,
        "pue": node.pue,
        "pue_kind": node.pue_kind,
        "pue_source": node.pue_source,
        "claims": profile_view(node.claims_profile),
        "simulated": node.simulated,
        "key_uri": node.key_uri,
        "jwk": {**node.jwk},
        "attestation": node.attestation,
        "ek": node.ek_digest,
        "ak": node.ak_digest,
        "enrolment": node.enrolment_digest,
        "created": times.render_seconds(times.from_microseconds(node.created_us)),
    }
