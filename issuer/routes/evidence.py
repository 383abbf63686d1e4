"""What a verifier needs to do the checks again: the records as the nodes signed them, and the nodes' keys.

Public, since a stranger has to be able to verify: who asks knows the digest or the thumbprint, and so has
the credential already.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath

from issuer.access import Access
from issuer.http.answers import IMMUTABLE, JSON, cached_answer
from issuer.http.documentation import NOT_MODIFIED, Produces, documented
from issuer.service import service_of
from issuer.store.errors import NotFoundError
from schemas.lexical import DIGEST, Lexical

JWK_JSON: Final = "application/jwk+json"

THUMBPRINT_URI: Final = Lexical(
    "a JWK thumbprint URI (RFC 9278)", "urn:ietf:params:oauth:jwk-thumbprint:sha-256:[A-Za-z0-9_-]{43}"
)


@get(
    "/evidence/{name:str}",
    **documented(
        "Evidence",
        Access.PUBLIC,
        Produces(200, JSON, "A telemetry record (JCS, with its signature) by its digest, byte for byte as signed."),
        Produces(200, JWK_JSON, "A node's public key by its JWK thumbprint URI."),
        NOT_MODIFIED,
        problems=(404,),
    ),
)
async def evidence(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """Return a record by its digest, or a node's public key by its JWK thumbprint URI."""
    store = service_of(request).store
    if DIGEST.fits(name):
        record = await store.credentials.evidence(name)
        if record is not None:
            return cached_answer(request, record, JSON, cache_control=IMMUTABLE)
    elif THUMBPRINT_URI.fits(name):
        jwk = await store.nodes.node_key(name)
        if jwk is not None:
            return cached_answer(request, msgspec.json.encode(jwk), JWK_JSON, cache_control=IMMUTABLE)
    raise NotFoundError("there is no such evidence here")


HANDLERS: Final = (evidence,)
