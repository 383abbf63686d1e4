"""A node posts a measurement and gets its credential."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from litestar import Request, Response, post

from issuer.access import Access
from issuer.http.answers import LD_JSON, bytes_answer
from issuer.http.body import read_json
from issuer.http.documentation import Consumes, Produces, documented
from issuer.refusals import counted
from issuer.service import service_of
from schemas.strict_json import JsonObject
from schemas.telemetry import MAX_BYTES

EXAMPLE: Final[JsonObject] = {
    "node_id": "node-7",
    "model_id": "meta-llama/Llama-3.1-70B-Instruct",
    "inference_id": "019aa2c4-6d00-7a10-8f00-000000000004",
    "timestamp": "2026-11-20T20:01:04.25Z",
    "duration_s": "2.75",
    "energy_kwh": "0.000729",
    "gpu_utilization": "87",
    "signature": "4U2xlEEm6Eef2XEyhkKHpmYibR_jXqKNEea5eM08qMe-4c52MwYuKNWaKLQXjOv_Rxowvrof7-Ru4VmkLiWTYQ",
}


@post(
    "/api/v1/telemetry",
    **documented(
        "Telemetry",
        Access.NODE_SIGNATURE,
        Produces(201, LD_JSON, "The new credential; Location is its URL.", schema="Credential"),
        Produces(200, LD_JSON, "The credential that this very record has had before.", schema="Credential"),
        reads=Consumes(
            "Telemetry", "A record, signed by the node's registered key over JCS without `signature`.", EXAMPLE
        ),
        problems=(401, 403, 404, 409, 422, 429),
    ),
)
async def telemetry(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Issue the credential of one inference from a node's signed record.

    The same record again, however late, gets the same credential; another record under the same inference
    id is 409. The record's signature is the authentication, and the limit is the node's own.
    """
    service = service_of(request)
    with counted(request):
        raw = await read_json(
            request,
            max_bytes=min(service.settings.telemetry_max_bytes, MAX_BYTES),
            timeout_s=service.settings.body_timeout_s,
        )
        accepted = await service.issuance.accept(raw)
    service.limits.nodes.take(accepted.node.id)
    issued = await service.issuance.issue(accepted)
    status = HTTPStatus.CREATED if issued.created else HTTPStatus.OK
    return bytes_answer(issued.document, LD_JSON, status, {"location": service.addresses.credential(issued.id)})


HANDLERS: Final = (telemetry,)
