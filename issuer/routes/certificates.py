"""A tenant's credentials by inference: as compact JWS certificates, as credentials, and as a list."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from litestar import Request, Response, get
from litestar.params import FromPath

from issuer import certificate
from issuer.access import Access
from issuer.auth import caller_of
from issuer.credential_view import credential_view
from issuer.http.answers import JOSE, JSON, LD_JSON, bytes_answer, json_answer
from issuer.http.documentation import Produces, documented
from issuer.http.parameters import Alg, Cursor, Limit, ModelId, NodeId, Since, Tenant, Until
from issuer.http.query import checked, moment_us, optional
from issuer.service import service_of
from issuer.store.errors import NotFoundError
from issuer.store.records import StoredCredential
from issuer.tenant_id import TENANT_ID
from schemas.telemetry import INFERENCE_ID, MODEL_ID, NODE_ID
from verifier.http.errors import ParameterError


@get(
    "/api/v1/certificate/{inference_id:str}",
    **documented(
        "Certificates",
        Access.READ,
        Produces(200, JOSE, "A compact JWS (RFC 7515) with the claims of the credential, signed by the issuer."),
        problems=(400, 404, 406, 409, 410, 422),
    ),
)
async def compact_certificate(
    request: Request[Any, Any, Any], *, inference_id: FromPath[str], alg: Alg = None, tenant: Tenant = None
) -> Response[bytes]:
    """Return the certificate of one inference in compact JWS form, signed by ES256, ES384, EdDSA or RS256.

    Never by HS256: who could verify it could sign it.
    """
    service = service_of(request)
    row = await _issued(request, inference_id, tenant)
    key = await service.keyring.active(row.issuer_slug)
    algorithm = certificate.algorithm_of(key.signer.public_key)
    if alg is not None and alg != algorithm:
        raise AlgorithmNotOfferedError(f"this issuer signs certificates with {algorithm}; leave out alg, or ask for it")
    text = await asyncio.to_thread(certificate.compact, row.document or b"", key, service.clock.now())
    return bytes_answer(text.encode("ascii"), JOSE)


@get(
    "/api/v1/certificate/{inference_id:str}/vc",
    **documented(
        "Certificates",
        Access.READ,
        Produces(
            200,
            LD_JSON,
            "The verifiable credential (VC 1.1, JsonWebSignature2020), byte for byte as issued.",
            schema="Credential",
        ),
        problems=(400, 404, 409, 410, 422),
    ),
)
async def credential_of_inference(
    request: Request[Any, Any, Any], inference_id: FromPath[str], tenant: Tenant = None
) -> Response[bytes]:
    """Return the verifiable credential of one inference, a revoked one too: its status says so.

    Of an inference of a window it is made when first asked for; once the window's is revoked, no new one is: 410. Of
    those that superseded each other it is the current one.
    """
    row = await _issued(request, inference_id, tenant)
    return bytes_answer(row.document or b"", LD_JSON)


@get(
    "/api/v1/receipt/{inference_id:str}",
    **documented(
        "Certificates",
        Access.READ,
        Produces(200, JSON, "The record, its way to the window's root, and the window's credential.", schema="Receipt"),
        problems=(400, 404, 409, 410),
    ),
)
async def receipt_of_inference(
    request: Request[Any, Any, Any], inference_id: FromPath[str], tenant: Tenant = None
) -> Response[bytes]:
    """Return the receipt of an inference that was measured in a window: provable at once, with no credential of its own.

    A receipt has no status of its own: once the inference's or its window's credential is revoked, it is 410.
    """
    owner = _owner(request, inference_id, tenant)
    receipt = await service_of(request).issuance.reading.receipt(owner, inference_id)
    if receipt is None:
        raise NotFoundError(f"no window has the inference {inference_id!r}; a posted record has a credential instead")
    return bytes_answer(receipt, JSON)


@get(
    "/api/v1/certificates",
    **documented(
        "Certificates",
        Access.READ,
        Produces(
            200, JSON, "`items`, newest period first, and `next_cursor`, null on the last page.", schema="Certificates"
        ),
        problems=(400,),
    ),
)
async def list_certificates(
    request: Request[Any, Any, Any],
    *,
    limit: Limit = 100,
    cursor: Cursor = None,
    model_id: ModelId = None,
    node_id: NodeId = None,
    since: Since = None,
    until: Until = None,
    tenant: Tenant = None,
) -> Response[bytes]:
    """Return a page of issued credentials. Following the cursors gives each of them exactly once."""
    service = service_of(request)
    page = await service.store.credentials.page(
        caller_of(request).tenant_filter(optional(tenant, TENANT_ID, "tenant")),
        limit,
        cursor,
        model_id=optional(model_id, MODEL_ID, "model_id"),
        node_id=optional(node_id, NODE_ID, "node_id"),
        since_us=moment_us(since, "since"),
        until_us=moment_us(until, "until"),
    )
    items = [credential_view(row, service.addresses) for row in page.rows]
    return json_answer({"items": [*items], "next_cursor": page.next_cursor})


class AlgorithmNotOfferedError(ParameterError):
    """The reader insists on an algorithm that the issuer's key does not have."""

    name = "ALGORITHM_NOT_OFFERED"
    title = "The algorithm is not offered"
    status = 406


async def _issued(request: Request[Any, Any, Any], inference_id: str, tenant: str | None) -> StoredCredential:
    owner = _owner(request, inference_id, tenant)
    service = service_of(request)
    row = await service.store.credentials.by_inference(owner, inference_id)
    if row is None or row.is_outdated or (row.document is None and row.window_id is not None):
        row = await service.issuance.reading.credential(owner, inference_id)
    if row is None or row.document is None:
        raise NotFoundError(f"there is no credential of the inference {inference_id!r}")
    return row


def _owner(request: Request[Any, Any, Any], inference_id: str, tenant: str | None) -> str:
    checked(inference_id, INFERENCE_ID, "inference_id")
    owner = caller_of(request).tenant_filter(optional(tenant, TENANT_ID, "tenant"))
    if owner is None:
        raise ParameterError("tenant: this key opens every tenant, and inference ids are unique within one; say which")
    return owner


HANDLERS: Final = (compact_certificate, credential_of_inference, receipt_of_inference, list_certificates)
