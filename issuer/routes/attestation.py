"""A node enrols with its TPM: a challenge that only this TPM can answer, and the answer."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath

from issuer.access import Access
from issuer.http.answers import IMMUTABLE, JSON, cached_answer, json_answer, names_or_null
from issuer.http.body import read_json
from issuer.http.documentation import NOT_MODIFIED, Consumes, Produces, documented
from issuer.node_view import node_view
from issuer.refusals import counted, take_beginning
from issuer.service import service_of
from issuer.store.errors import NotFoundError
from issuer.tpm import enrolment
from issuer.tpm.messages import ActivationRequest, AttestRequest, read
from schemas import strict_json
from schemas.enrolment_record import parse_enrolment
from schemas.errors import FormatError
from schemas.lexical import DIGEST
from schemas.strict_json import JsonObject

_ATTEST: Final[JsonObject] = {
    "token": "gci_vGk0Jm1mYvXw2cQ4Zr8hWq3n6Ls9Tt5Bb7Dd1Ff3Hh4",
    "ek_public": "AAEACwADALIAIINxl2dEhLP4GpDMjUakbXJP1S12bgUgtk8a",
    "ek_certificate": "MIIEHzCCAoegAwIBAgIBAjANBgkqhkiG9w0BAQsFADAYMRYw",
    "intermediates": [],
    "ak_public": "ACMACwAFBHIAAAAQABgACwADABAAIPKgFR_SmJQNRyXYCWuM6Do57H9fPJKt4eCTP_raKM5kACBjr7iCOSak0x-agqS-ysrnldzjupySvG30kKt04Vp_FQ",
}
_ACTIVATION: Final[JsonObject] = {
    "secret": "4U2xlEEm6Eef2XEyhkKHpmYibR_jXqKNEea5eM08qMc",
    "opening": {
        "attest": "_1RDR4AYACIAC3htwaNj",
        "signature": "ABgACwAgE0hYYeyf",
        "pcrs": {"sha256": {"15": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}},
        "nonce": "Fqb0gCmQGj8_uKAWQXouMuhR3tufQWJeS7XczjSfeTs",
    },
}
_MAX_DEPTH: Final = 6


@post(
    "/api/v1/nodes/attest",
    **documented(
        "Nodes",
        Access.INVITE_TOKEN,
        Produces(201, JSON, "A challenge, to be answered within 60 seconds.", schema="TpmChallenge"),
        reads=Consumes(
            "TpmAttestation", "An invite token, the endorsement key with its certificate, the attestation key.", _ATTEST
        ),
        problems=(401, 403, 409, 422, 429),
    ),
)
async def attest(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Check that an endorsement key is a TPM's whose maker is trusted, and challenge it to open a secret."""
    service = service_of(request)
    take_beginning(request)
    with counted(request):
        asked = read(await _body(request), AttestRequest)
        challenged = await enrolment.begin(service.store, asked, service.clock.now())
    return json_answer(msgspec.to_builtins(challenged), HTTPStatus.CREATED)


@post(
    "/api/v1/nodes/attest/{enrolment_id:str}",
    **documented(
        "Nodes",
        Access.INVITE_TOKEN,
        Produces(201, JSON, "The node as it is on file, where its windows go on, and nonces.", schema="TpmNode"),
        reads=Consumes("TpmActivation", "The secret out of the challenge, and the opening quote.", _ACTIVATION),
        problems=(401, 403, 409, 422, 429),
    ),
)
async def activate(request: Request[Any, Any, Any], enrolment_id: FromPath[str]) -> Response[bytes]:
    """Bind a node to the TPM that has opened the secret, or give it that TPM's new attestation key.

    The same token with the same TPM and key again, for 24 hours, gets the node as it is on file, and changes nothing.
    """
    service = service_of(request)
    with counted(request):
        asked = read(await _body(request), ActivationRequest)
        enrolled = await enrolment.finish(service.store, enrolment_id[:64], asked, service.clock.now())
    state = enrolled.chain
    chain: JsonObject = {
        "next_sequence": state.next_sequence,
        "previous": state.previous,
        "end_us": state.end_us or 0,
        "boot_epoch": ".".join(map(str, state.epoch)),
        "chain_value": state.chain_value,
        "tpm_clock_ms": state.clock_ms,
        "nonces": [*enrolled.nonces],
        "tenants": names_or_null(await service.issuance.windows.tenant_names(enrolled.node)),
    }
    return json_answer(node_view(enrolled.node) | chain, HTTPStatus.CREATED)


@get(
    "/enrolments/{digest:str}",
    **documented(
        "Evidence",
        Access.PUBLIC,
        Produces(200, JSON, "An enrolment record by its digest."),
        NOT_MODIFIED,
        problems=(404,),
    ),
)
async def enrolment_record(request: Request[Any, Any, Any], digest: FromPath[str]) -> Response[bytes]:
    """Return what was checked when a TPM was enrolled, as evidence names it."""
    body = await service_of(request).store.credentials.evidence(digest) if DIGEST.fits(digest) else None
    if body is None or not _is_enrolment(body):
        raise NotFoundError("there is no such enrolment record here")
    return cached_answer(request, body, JSON, cache_control=IMMUTABLE)


async def _body(request: Request[Any, Any, Any]) -> JsonObject:
    settings = service_of(request).settings
    raw = await read_json(request, max_bytes=settings.body_max_bytes, timeout_s=settings.body_timeout_s)
    return strict_json.parse_object(raw, max_bytes=settings.body_max_bytes, max_depth=_MAX_DEPTH)


def _is_enrolment(body: bytes) -> bool:
    try:
        parse_enrolment(body)
    except FormatError:
        return False
    return True


HANDLERS: Final = (attest, activate, enrolment_record)
