"""Credentials by their id, and the W3C VC API's issuing and status routes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.params import FromPath

from issuer.access import Access
from issuer.auth import Caller, caller_of, caller_or_none, refused
from issuer.credential_view import credential_id
from issuer.http.answers import JSON, LD_JSON, bytes_answer, json_answer
from issuer.http.body import read_json
from issuer.http.documentation import Consumes, Produces, documented
from issuer.http.parameters import Tenant
from issuer.http.query import optional
from issuer.service import Service, service_of
from issuer.status_change import read_update
from issuer.store.errors import AlreadyRevokedError, NotFoundError
from issuer.store.records import StoredCredential
from issuer.tenant_id import TENANT_ID
from schemas import strict_json, times
from schemas.profile import WINDOW_TYPE
from schemas.strict_json import JsonObject
from verifier.http.errors import ParameterError

_ISSUE_EXAMPLE: Final[JsonObject] = {
    "credential": {
        "@context": ["https://www.w3.org/2018/credentials/v1"],
        "type": ["VerifiableCredential"],
        "credentialSubject": {"id": "did:web:customer.example"},
    }
}
_STATUS_EXAMPLE: Final[JsonObject] = {
    "credentialId": "https://issuer.example/credentials/019aa2c4-6d00-7a10-8f00-000000000004",
    "credentialStatus": [{"type": "StatusList2021Entry", "statusPurpose": "revocation", "status": "1"}],
}


@get(
    "/credentials/{credential:str}",
    **documented(
        "Credentials",
        Access.CAPABILITY,
        Produces(200, LD_JSON, "The credential, byte for byte as issued.", schema="AnyCredential"),
        problems=(404,),
    ),
)
async def credential_by_id(
    request: Request[Any, Any, Any], credential: FromPath[str], tenant: Tenant = None
) -> Response[bytes]:
    """Return a credential of the key's tenant by its id. A window's needs no key.

    One that was superseded is returned as it was issued, with the one in its place as its successor-version (RFC 5829).

    It states totals alone, and whoever has a receipt of the window needs it to check the receipt; its id has 74 random
    bits, so that nobody else finds it.
    """
    service, caller = service_of(request), caller_or_none(request)
    named = credential_id(credential, service.addresses)
    requested = optional(tenant, TENANT_ID, "tenant")
    owner = requested if caller is None else caller.tenant_filter(requested)
    row = None if named is None else await service.store.credentials.by_id(named, tenant_id=None)
    open_to_all = row is not None and row.credential_type == WINDOW_TYPE
    if caller is None and not open_to_all:
        raise refused(request)
    if row is None or row.document is None or not (open_to_all or owner in (None, row.tenant_id)):
        raise NotFoundError("there is no such credential")
    return bytes_answer(row.document, LD_JSON, headers=await _successor(service, row))


@post(
    "/credentials/issue",
    **documented(
        "Credentials",
        Access.ISSUE,
        Produces(201, JSON, "`verifiableCredential`, secured.", schema="Issued"),
        reads=Consumes(
            "IssueRequest", "A credential without proof, in VC 1.1, of another type than ours.", _ISSUE_EXAMPLE
        ),
        problems=(404, 422),
    ),
)
async def issue(request: Request[Any, Any, Any], tenant: Tenant = None) -> Response[bytes]:
    """Sign a credential of another type (W3C VC API). Never a Green Compute one: those come from telemetry."""
    service = service_of(request)
    owner = caller_of(request).tenant_filter(optional(tenant, TENANT_ID, "tenant"))
    if owner is None:
        raise ParameterError("tenant: this key opens every tenant; say for whom the credential is")
    body = await _body(request, service)
    asked = body.get("credential")
    if not isinstance(asked, dict) or not body.keys() <= {"credential", "options"}:
        raise ParameterError("the body has a member credential, an object, and perhaps options; nothing else")
    if body.get("options", {}) != {}:
        raise ParameterError("options: none are supported; leave it out")
    issued = await service.issuance.issue_generic(owner, asked)
    location = {"location": service.addresses.credential(issued.id)}
    # The credential's bytes stand as they were signed.
    return bytes_answer(b'{"verifiableCredential":' + issued.document + b"}", JSON, HTTPStatus.CREATED, location)


@post(
    "/credentials/status",
    **documented(
        "Credentials",
        Access.STATUS,
        Produces(200, JSON, "The status from now on, and whether that was a change.", schema="StatusChanged"),
        reads=Consumes("StatusRequest", "Which credential, and which bit is to be set or cleared.", _STATUS_EXAMPLE),
        problems=(404, 409),
    ),
)
async def change_status(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Revoke, suspend or reinstate a credential (W3C VC API). A revocation never reverts: that is 409."""
    service, caller = service_of(request), caller_of(request)
    update = read_update(await _body(request, service))
    named = credential_id(update.credential, service.addresses)
    if named is None:
        raise NotFoundError("credentialId: there is no such credential; name it by its id")
    changed = [await _apply(service, caller, named, purpose=change.purpose, on=change.on) for change in update.changes]
    entry = await service.store.status.entry(named, tenant_id=caller.tenant_id)
    return json_answer(
        {
            "credentialId": service.addresses.credential(named),
            "revoked": entry.revoked_us is not None,
            "suspended": entry.suspended_us is not None,
            "changed": any(changed),
        }
    )


async def _successor(service: Service, row: StoredCredential) -> dict[str, str]:
    """Return the header that names the credential in place of a superseded one; none where none was asked for yet."""
    successor = None if row.superseded_us is None else await service.store.credentials.successor(row.id)
    return (
        {} if successor is None else {"link": f'<{service.addresses.credential(successor)}>; rel="successor-version"'}
    )


async def _apply(service: Service, caller: Caller, credential: str, *, purpose: str, on: bool) -> bool:
    status, tenant_id = service.store.status, caller.tenant_id
    now_us = times.to_microseconds(service.clock.now())
    if purpose == "suspension":
        act = status.suspend if on else status.reinstate
        return await act(credential, "", caller.actor, now_us, tenant_id=tenant_id)
    if on:
        return await status.revoke(credential, "", caller.actor, now_us, tenant_id=tenant_id)
    if (await status.entry(credential, tenant_id=tenant_id)).revoked_us is not None:
        raise AlreadyRevokedError
    return False


async def _body(request: Request[Any, Any, Any], service: Service) -> JsonObject:
    settings = service.settings
    return strict_json.parse_object(
        await read_json(request, max_bytes=settings.body_max_bytes, timeout_s=settings.body_timeout_s)
    )


HANDLERS: Final = (credential_by_id, issue, change_status)
