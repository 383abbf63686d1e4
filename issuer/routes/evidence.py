"""What a verifier needs to do the checks again: what the nodes signed, receipts of records, and the nodes' keys.

Public, since a stranger has to be able to verify: who asks knows the digest or the thumbprint, and so has
the credential already.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath

from issuer.access import Access
from issuer.http.answers import CMW_JSON, IMMUTABLE, JOSE, JSON, cached_answer
from issuer.http.documentation import NOT_MODIFIED, Produces, documented
from issuer.service import service_of
from issuer.store.errors import NotFoundError
from schemas.lexical import DIGEST, Lexical

JWK_JSON: Final = "application/jwk+json"
PKIX_CERT: Final = "application/pkix-cert"
"""One certificate in DER (RFC 2585)."""

_DER_SEQUENCE: Final = b"\x30\x82"

ENROLMENTS: Final = "enrolments"
CREDENTIAL: Final = Lexical("a credential's UUID", "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
THUMBPRINT_URI: Final = Lexical(
    "a JWK thumbprint URI (RFC 9278)", "urn:ietf:params:oauth:jwk-thumbprint:sha-256:[A-Za-z0-9_-]{43}"
)


@get(
    "/evidence/{name:str}",
    **documented(
        "Evidence",
        Access.PUBLIC,
        Produces(200, JSON, "A telemetry record by its digest, byte for byte as signed; a receipt by its record's."),
        Produces(200, JOSE, "A window's header, signed by a software key, by its digest."),
        Produces(200, CMW_JSON, "A window's TPM evidence by its digest."),
        Produces(200, PKIX_CERT, "A certificate of the chain above a TPM's endorsement key by its digest, DER."),
        Produces(200, JWK_JSON, "A node's public key by its JWK thumbprint URI."),
        NOT_MODIFIED,
        problems=(404,),
    ),
)
async def evidence(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """Return evidence, a certificate or a receipt by its digest, or a node's public key by its JWK thumbprint URI."""
    answer = await _named(request, name)
    if answer is None and DIGEST.fits(name):
        receipt = await service_of(request).issuance.reading.receipt_of_record(name)
        answer = None if receipt is None else cached_answer(request, receipt, JSON, cache_control=IMMUTABLE)
    if answer is None:
        raise NotFoundError("there is no such evidence here")
    return answer


@get(
    "/evidence/{credential:str}/{name:str}",
    **documented(
        "Evidence",
        Access.PUBLIC,
        Produces(200, JSON, "The receipt of the credential's record, by the record's leaf hash; an enrolment record."),
        Produces(200, JOSE, "A window's header, signed by a software key, by its digest."),
        Produces(200, CMW_JSON, "A window's TPM evidence by its digest."),
        Produces(200, JWK_JSON, "A node's public key by its JWK thumbprint URI."),
        NOT_MODIFIED,
        problems=(404,),
    ),
)
async def evidence_of_credential(
    request: Request[Any, Any, Any], credential: FromPath[str], name: FromPath[str]
) -> Response[bytes]:
    """Return what one credential's evidence names: each has its own receipt, since records of two windows may be alike.

    Whatever else it names authenticates itself: so does a TPM's enrolment record, which verifiers look for beside the
    folder of the evidence, and that is enrolments/{digest} here.
    """
    store = service_of(request).store
    answer = None
    if not (CREDENTIAL.fits(credential) or credential == ENROLMENTS):
        raise NotFoundError("there is no such credential here")
    if DIGEST.fits(name):
        body = await store.receipts.of_credential(credential, name)
        answer = None if body is None else cached_answer(request, body, JSON, cache_control=IMMUTABLE)
    answer = answer or await _named(request, name)
    if answer is None:
        raise NotFoundError("there is no such evidence here")
    return answer


async def _named(request: Request[Any, Any, Any], name: str) -> Response[bytes] | None:
    """Return what authenticates itself by its name: bytes by their digest, a key by its thumbprint."""
    store = service_of(request).store
    if DIGEST.fits(name):
        body = await store.credentials.evidence(name)
        if body is not None:
            return cached_answer(request, body, _media_type(body), cache_control=IMMUTABLE)
    elif THUMBPRINT_URI.fits(name):
        jwk = await store.nodes.node_key(name)
        if jwk is not None:
            return cached_answer(request, msgspec.json.encode(jwk), JWK_JSON, cache_control=IMMUTABLE)
    return None


def _media_type(body: bytes) -> str:
    if body.startswith(_DER_SEQUENCE):
        return PKIX_CERT
    if not body.startswith(b"{"):
        return JOSE
    return CMW_JSON if body.startswith(b'{"ak":[') else JSON


HANDLERS: Final = (evidence, evidence_of_credential)
