"""The compact JWS certificate: a credential's claims for the plain REST client (RFC 7515, RFC 7519).

Header: ``alg`` (ES256, EdDSA or RS256, by the issuer's key; ES384 for a P-384 key; never a shared secret, since
whoever could verify could then sign), ``kid`` (the verification method's DID URL) and ``typ``
``green-compute-certificate+jwt``, so that it passes for no other kind of token (RFC 8725 §3.11).
Payload: ``iss``, ``sub``, ``jti``, ``iat``, the claims of the credential's subject under their own names
and as the strings that were signed, and ``credential``: id, media type and digest of the credential's
bytes, with the place of its status bits. A certificate restates a credential; it is revoked with it.

ECDSA signatures differ each time, so a certificate made again is another text with the same claims.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from did.algorithms import Algorithm
from did.jws import CompactJws, parse_compact, sign_compact
from did.keys import PublicKey
from issuer.keyring import SigningKey
from schemas import credential, digests, jcs, strict_json, times
from schemas.errors import SchemaInvalidError
from schemas.strict_json import JsonObject

TYPE: Final = "green-compute-certificate+jwt"
"""``typ`` of the header; as a media type ``application/green-compute-certificate+jwt``."""

MEDIA_TYPE: Final = f"application/{TYPE}"

CREDENTIAL_MEDIA_TYPE: Final = "application/ld+json"


def compact(document: bytes, key: SigningKey, now: datetime) -> str:
    """Return the certificate of an issued credential, ``iat`` being ``now`` in whole seconds.

    Raises SchemaInvalidError where ``document`` is not one of our credentials or another issuer's,
    SignerError where the key cannot be used.
    """
    claims = payload(document, now)
    if claims["iss"] != key.issuer_did:
        raise SchemaInvalidError(f"issuer: a certificate is signed by the credential's issuer, not {key.issuer_did}")
    header = {"typ": TYPE, "kid": key.verification_method}
    return sign_compact(jcs.canonical_bytes(claims), header, key.signer, algorithm_of(key.signer.public_key))


def algorithm_of(key: PublicKey) -> Algorithm:
    """Return the algorithm of certificates under ``key``: RS256 for RSA, which every JOSE library reads."""
    return "RS256" if "RS256" in key.algorithms else key.algorithms[0]


def payload(document: bytes, now: datetime) -> JsonObject:
    """Return the certificate's claims for an issued credential. Raises SchemaInvalidError."""
    value = strict_json.parse_object(document)
    view = credential.decode(value)
    subject = value["credentialSubject"]
    if not isinstance(subject, dict):
        raise SchemaInvalidError("credentialSubject: an object is expected")
    status = view.credential_status
    return {
        "iss": view.issuer,
        "sub": view.credential_subject.id,
        "jti": f"{view.id}#certificate",
        "iat": times.to_microseconds(now) // 1_000_000,
        **{name: claim for name, claim in subject.items() if name != "id"},
        "credential": {
            "id": view.id,
            "mediaType": CREDENTIAL_MEDIA_TYPE,
            "digestMultibase": digests.digest(document),
            "issuanceDate": view.issuance_date,
            "statusListIndex": status.status_list_index,
            "statusListCredential": status.status_list_credential,
            "suspensionListCredential": status.suspension_list_credential,
        },
    }


def verify(certificate: str, key: PublicKey) -> JsonObject:
    """Return the claims of a certificate that ``key`` signed. Raises as did.jws.parse_compact and PublicKey.verify."""
    jws: CompactJws = parse_compact(certificate, typ=TYPE)
    jws.verify(key)
    return strict_json.parse_object(jws.payload)
