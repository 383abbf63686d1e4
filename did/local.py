"""DIDs that carry their own key: did:key and did:jwk, resolved without any network.

W3C CCG did:key v0.7 §3.1 and did:jwk: every relationship holds the one key.
"""

from __future__ import annotations

from typing import Final

from did import multikey
from did.documents import DidDocument, VerificationMethod
from did.errors import InvalidDidError, InvalidKeyError, KeyEncodingError, UnsupportedDidMethodError
from did.identifiers import parse_did
from did.jwk import parse_jwk
from did.keys import PublicKey
from schemas import base64url, jcs, strict_json
from schemas.errors import FormatError

_RELATIONSHIPS: Final = ("assertionMethod", "authentication", "capabilityInvocation", "capabilityDelegation")
_MAX_JWK_BYTES: Final = 2048


def resolve(did: str) -> DidDocument:
    """Return the document of a did:key (method ``#`` + multikey) or did:jwk (method ``#0``).

    Raises InvalidDidError for a malformed DID, UnsupportedDidMethodError for other methods and for
    keys that we do not use: secp256k1, private or weak ones (attack VI022).
    """
    method, identifier = parse_did(did)
    try:
        if method == "key":
            return _document(did, identifier, "Multikey", multikey.decode(identifier))
        if method == "jwk":
            return _document(did, "0", "JsonWebKey2020", _decode_jwk(identifier))
    except KeyEncodingError as error:
        raise InvalidDidError(f"{did[:80]}: {error.detail}") from error
    except InvalidKeyError as error:
        raise UnsupportedDidMethodError(f"{did[:80]}: {error.detail}") from error
    raise UnsupportedDidMethodError(f"did:{method} does not carry its key; its document has to be fetched")


def did_key(key: PublicKey) -> str:
    """Return the did:key of a P-256, P-384 or Ed25519 key. Raises UnsupportedKeyError for RSA."""
    return f"did:key:{multikey.encode(key)}"


def did_jwk(key: PublicKey) -> str:
    """Return the did:jwk of a key: base64url of its canonical JWK."""
    return f"did:jwk:{base64url.encode(jcs.canonical_bytes({**key.jwk}))}"


def method_id(did: str) -> str:
    """Return the id of the one verification method of a did:key or did:jwk."""
    method, identifier = parse_did(did)
    if method == "web":
        raise UnsupportedDidMethodError("did:web does not carry its key; its document names the methods")
    return f"{did}#{identifier if method == 'key' else '0'}"


def _decode_jwk(identifier: str) -> PublicKey:
    try:
        jwk = strict_json.parse_object(base64url.decode(identifier), max_bytes=_MAX_JWK_BYTES, max_depth=2)
    except FormatError as error:
        raise KeyEncodingError(f"not the base64url of a JWK: {error.detail}") from error
    return parse_jwk(jwk)


def _document(did: str, fragment: str, kind: str, key: PublicKey) -> DidDocument:
    method = VerificationMethod(id=f"{did}#{fragment}", type=kind, controller=did, key=key)
    return DidDocument(did, {method.id: method}, dict.fromkeys(_RELATIONSHIPS, frozenset({method.id})))
