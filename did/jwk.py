"""JSON Web Keys (RFC 7517): a strict front end of our own, then jwcrypto.

jwcrypto takes private keys, RSA-1024, coordinates of 33 bytes and padded base64 (measured), so it
sees a JWK only after the members, their spelling and their lengths have been checked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwcrypto import jwk as jose
from jwcrypto.common import JWException

from did.algorithms import ALGORITHMS, Algorithm, VendorPublicKey, algorithms_of
from did.errors import (
    InvalidKeyError,
    KeyEncodingError,
    KeyTooLargeError,
    PrivateKeyPublishedError,
    UnsupportedKeyError,
)
from did.keys import PublicKey
from did.strength import MAX_RSA_BITS
from schemas import base64url
from schemas.errors import MalformedValueError
from schemas.strict_json import Json, JsonObject

_REQUIRED: Final[Mapping[str, frozenset[str]]] = {
    "EC": frozenset({"kty", "crv", "x", "y"}),
    "OKP": frozenset({"kty", "crv", "x"}),
    "RSA": frozenset({"kty", "n", "e"}),
}
_OPTIONAL: Final = frozenset({"alg", "use", "key_ops", "kid"})
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv", "seed"})
_COORDINATE_BYTES: Final = {"P-256": 32, "P-384": 48, "Ed25519": 32}
_CURVES: Final = {"EC": ("P-256", "P-384"), "OKP": ("Ed25519",)}
_MAX_KID_CHARACTERS: Final = 1024
_MAX_INTEGER_CHARACTERS: Final = 4 * MAX_RSA_BITS // 3 // 8 + 8
# RFC 9864 names the curve in the algorithm; it is the same signature.
_SAME_ALGORITHM: Final[Mapping[str, Algorithm]] = {"Ed25519": "EdDSA"}


def parse_jwk(jwk: JsonObject) -> PublicKey:
    """Return the public key of a JWK with exactly the members of its ``kty``, and alg, use, key_ops, kid if stated.

    Raises PrivateKeyPublishedError for private members, UnsupportedKeyError for kinds we do not
    use (secp256k1, X25519, P-521, certificates), KeyEncodingError for spellings and lengths that are
    not canonical, KeyTooLargeError above 4096 bits, InvalidKeyError otherwise. RFC 7517 §4, RFC 7518 §6.
    """
    if secret := secret_members(jwk):
        raise PrivateKeyPublishedError(f"the JWK holds secrets ({', '.join(secret)}); replace this key, it is burnt")
    kty = _text(jwk, "kty")
    required = _REQUIRED.get(kty)
    if required is None:
        raise UnsupportedKeyError(f"kty {kty[:40]!r} is not supported; use EC, OKP or RSA")
    if missing := sorted(required - jwk.keys()):
        raise KeyEncodingError(f"the JWK lacks {', '.join(missing)}")
    if foreign := sorted(jwk.keys() - required - _OPTIONAL):
        raise UnsupportedKeyError(f"the JWK holds {', '.join(foreign)[:80]}, which we do not read; leave it out")
    _check_values(jwk, kty)
    key = _public_key({name: _text(jwk, name) for name in required})
    return PublicKey(key, _members(key), _bound_algorithms(jwk, algorithms_of(key)))


def from_cryptography(key: VendorPublicKey) -> PublicKey:
    """Return a `cryptography` public key as a checked PublicKey. Raises UnsupportedKeyError, InvalidKeyError."""
    return PublicKey(key, _members(key), algorithms_of(key))


def secret_members(jwk: JsonObject) -> list[str]:
    """Return what in a JWK is secret: the names of private members, ``kty`` where the key is symmetric."""
    return sorted(_PRIVATE & jwk.keys()) + (["kty"] if jwk.get("kty") == "oct" else [])


def _check_values(jwk: JsonObject, kty: str) -> None:
    if kty == "RSA":
        for name in ("n", "e"):
            if len(_text(jwk, name)) > _MAX_INTEGER_CHARACTERS:
                raise KeyTooLargeError(f"{name} of the JWK is too long; an RSA key has at most {MAX_RSA_BITS} bits")
            if _octets(jwk, name)[:1] in {b"", b"\x00"}:
                raise KeyEncodingError(f"{name} of the JWK is empty or starts with a zero byte (RFC 7518 §2)")
        return
    crv = _text(jwk, "crv")
    if crv not in _CURVES[kty]:
        raise UnsupportedKeyError(f"curve {crv[:40]!r} is not supported; use {' or '.join(_CURVES[kty])}")
    for name in ("x", "y") if kty == "EC" else ("x",):
        if len(_octets(jwk, name)) != _COORDINATE_BYTES[crv]:
            raise KeyEncodingError(f"{name} of a {crv} JWK has exactly {_COORDINATE_BYTES[crv]} bytes")


def _bound_algorithms(jwk: JsonObject, possible: tuple[Algorithm, ...]) -> tuple[Algorithm, ...]:
    if "use" in jwk and jwk["use"] != "sig":
        raise InvalidKeyError('the JWK is not for signatures (its use is not "sig")')
    if "key_ops" in jwk:
        _check_key_ops(jwk["key_ops"])
    if "kid" in jwk and not 0 < len(_text(jwk, "kid")) <= _MAX_KID_CHARACTERS:
        raise KeyEncodingError(f"kid of the JWK has 1 to {_MAX_KID_CHARACTERS} characters")
    if "alg" not in jwk:
        return possible
    stated = _text(jwk, "alg")
    stated = _SAME_ALGORITHM.get(stated, stated)
    bound = tuple(algorithm for algorithm in possible if algorithm == stated)
    if not bound:
        known = "does not fit its key" if stated in ALGORITHMS else "is not supported"
        raise InvalidKeyError(f"alg {stated[:40]!r} of the JWK {known}; {' or '.join(possible)} would")
    return bound


def _check_key_ops(key_ops: Json) -> None:
    # RFC 7517 §4.3: no repetition; a public key that may not verify is of no use here.
    texts = [operation for operation in key_ops if isinstance(operation, str)] if isinstance(key_ops, list) else []
    if not isinstance(key_ops, list) or len(texts) != len(key_ops) or len(set(texts)) != len(texts):
        raise KeyEncodingError("key_ops of the JWK is not a list of distinct names")
    if "verify" not in texts:
        raise InvalidKeyError('the JWK is not for verifying (its key_ops lack "verify")')


def _text(jwk: JsonObject, name: str) -> str:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise KeyEncodingError(f"{name} of the JWK is missing or not a string")
    return value


def _octets(jwk: JsonObject, name: str) -> bytes:
    try:
        return base64url.decode(_text(jwk, name))
    except MalformedValueError as error:
        raise KeyEncodingError(f"{name} of the JWK: {error.detail}") from error


def _public_key(members: Mapping[str, str]) -> VendorPublicKey:
    try:
        key = jose.JWK(**members).get_op_key("verify")
    except (JWException, ValueError, TypeError) as error:
        raise InvalidKeyError(
            "the JWK is not a public key: its point is off the curve or its numbers are wrong"
        ) from error
    if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
        raise UnsupportedKeyError("the JWK is of a kind that we do not use")
    return key


def _members(key: VendorPublicKey) -> tuple[tuple[str, str], ...]:
    algorithms_of(key)  # a curve that we do not use is named by us, not by the library
    exported = cast("dict[str, str]", jose.JWK.from_pyca(key).export_public(as_dict=True))
    return tuple(sorted((name, exported[name]) for name in _REQUIRED[exported["kty"]]))
