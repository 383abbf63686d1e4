"""The key of one verification method: exactly one member may carry it, the one of its type.

W3C Controlled Identifiers 1.0 §2.2, and the suites JsonWebSignature2020, Ed25519Signature2018 and 2020.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ed25519

from did import base58, multikey, strength
from did.errors import (
    KeyEncodingError,
    PrivateKeyPublishedError,
    UnsupportedKeyError,
    VerificationMethodError,
)
from did.jwk import from_cryptography, parse_jwk, secret_members
from did.keys import PublicKey
from schemas.strict_json import Json, JsonObject

# XML Schema 1.1 part 2 §3.4.28; fractions below a microsecond are dropped.
_DATE_TIME_STAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_MATERIAL: Final = (
    "publicKeyJwk",
    "publicKeyMultibase",
    "publicKeyBase58",
    "publicKeyHex",
    "publicKeyBase64",
    "publicKeyPem",
    "publicKeyGpg",
    "blockchainAccountId",
    "ethereumAddress",
)
_PRIVATE: Final = frozenset(
    {
        "privateKeyJwk",
        "privateKeyMultibase",
        "privateKeyBase58",
        "privateKeyHex",
        "privateKeyPem",
        "secretKeyJwk",
        "secretKeyMultibase",
    }
)


def key_of(method: JsonObject) -> PublicKey:
    """Return the key of a verification method.

    Raises UnsupportedKeyError for types that we do not use, VerificationMethodError where the key
    material is not the one of the type or stands twice (attack VI009), InvalidKeyError for weak keys.
    """
    kind = method_type(method)
    reader = _READERS.get(kind)
    present = [name for name in _MATERIAL if name in method]
    if reader is None:
        raise UnsupportedKeyError(f"verification method type {kind[:60]!r} is not supported")
    member, read = reader
    if present != [member]:
        raise VerificationMethodError(f"a {kind} carries its key in {member} alone; this one has {present or 'none'}")
    return read(method[member])


def method_type(method: JsonObject) -> str:
    """Return the type of a verification method. Raises VerificationMethodError where it is not one string."""
    kind = method.get("type")
    if not isinstance(kind, str):
        raise VerificationMethodError("the type of a verification method is one string")
    return kind


def moment(method: JsonObject, name: str) -> datetime | None:
    """Return ``expires`` or ``revoked`` in UTC, None if absent. Raises VerificationMethodError if not a time."""
    if name not in method:
        return None
    value = method[name]
    try:
        if isinstance(value, str) and _DATE_TIME_STAMP.fullmatch(value):
            return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        # A day that no calendar has, or the year 1 with an offset: refused below.
        pass
    # Not ignored: a revocation that cannot be read is still a revocation.
    raise VerificationMethodError(f'{name} of a verification method is a time such as "2026-11-20T20:00:00Z"')


def refuse_private_members(value: Json) -> None:
    """Raise PrivateKeyPublishedError where a private key stands anywhere in the document (attack VI005)."""
    pending: list[Json] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            secret = sorted(_PRIVATE & item.keys()) or (secret_members(item) if "kty" in item else [])
            if secret:
                raise PrivateKeyPublishedError(
                    f"the DID document publishes {', '.join(secret)}; its owner must replace the key"
                )
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def _jwk(value: Json) -> PublicKey:
    if not isinstance(value, dict):
        raise KeyEncodingError("publicKeyJwk is an object")
    return parse_jwk(value)


def _multikey(value: Json) -> PublicKey:
    if not isinstance(value, str):
        raise KeyEncodingError("publicKeyMultibase is a string")
    return multikey.decode(value)


def _ed25519_multikey(value: Json) -> PublicKey:
    key = _multikey(value)
    if key.crv != "Ed25519":
        raise VerificationMethodError(f"an Ed25519VerificationKey2020 holds a {key.crv} key")
    return key


def _ed25519_base58(value: Json) -> PublicKey:
    if not isinstance(value, str):
        raise KeyEncodingError("publicKeyBase58 is a string")
    point = base58.decode(value)
    try:
        strength.check_ed25519(point)
    except KeyEncodingError as error:
        raise VerificationMethodError(
            f"an Ed25519VerificationKey2018 does not hold such a key: {error.detail}"
        ) from error
    return from_cryptography(ed25519.Ed25519PublicKey.from_public_bytes(point))


_READERS: Final[Mapping[str, tuple[str, Callable[[Json], PublicKey]]]] = {
    "JsonWebKey2020": ("publicKeyJwk", _jwk),
    "JsonWebKey": ("publicKeyJwk", _jwk),
    "Multikey": ("publicKeyMultibase", _multikey),
    "Ed25519VerificationKey2020": ("publicKeyMultibase", _ed25519_multikey),
    "Ed25519VerificationKey2018": ("publicKeyBase58", _ed25519_base58),
}
