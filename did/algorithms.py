"""The five signature algorithms, each bound to one kind of key (RFC 7518 §3, RFC 8037 §3.1).

A signature is in JOSE form: ECDSA as r || s of fixed length, never DER; PS256 with a salt of 32 bytes.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from did.errors import AlgorithmRefusedError, SignatureInvalidError, UnsupportedKeyError

Algorithm = Literal["ES256", "ES384", "EdDSA", "PS256", "RS256"]
VendorPublicKey: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
VendorPrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

ALGORITHMS: Final[tuple[Algorithm, ...]] = get_args(Algorithm)

_ED25519_SIGNATURE_BYTES: Final = 64
_SHA_256: Final = hashes.SHA256()
_ECDSA: Final = {"ES256": ec.ECDSA(_SHA_256), "ES384": ec.ECDSA(hashes.SHA384())}
# Any other salt length is refused (Wycheproof, attack VP038): one message has one form of signature.
_PSS: Final = padding.PSS(mgf=padding.MGF1(_SHA_256), salt_length=32)
_PKCS1: Final = padding.PKCS1v15()

# Names of curves as OpenSSL spells them, with their JOSE algorithm.
_EC_ALGORITHM: Final[dict[str, Algorithm]] = {"secp256r1": "ES256", "secp384r1": "ES384"}


def accept(name: object) -> Algorithm:
    """Return ``name`` as an algorithm of ours. Raises AlgorithmRefusedError for none, HS256 and all others."""
    for algorithm in ALGORITHMS:
        if name == algorithm:
            return algorithm
    raise AlgorithmRefusedError(f"alg {str(name)[:40]!r} is not accepted; one of {', '.join(ALGORITHMS)} is required")


def algorithms_of(key: VendorPublicKey) -> tuple[Algorithm, ...]:
    """Return the algorithms that a key may be used with, the preferred one first. Raises UnsupportedKeyError."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return ("EdDSA",)
    if isinstance(key, rsa.RSAPublicKey):
        return ("PS256", "RS256")
    algorithm = _EC_ALGORITHM.get(key.curve.name)
    if algorithm is None:
        raise UnsupportedKeyError(f"curve {key.curve.name} is not supported; use P-256, P-384 or Ed25519")
    return (algorithm,)


def signature_bytes(key: VendorPublicKey) -> int:
    """Return the one length that a signature by ``key`` has, in bytes."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return 2 * coordinate_bytes(key)
    if isinstance(key, rsa.RSAPublicKey):
        return (key.key_size + 7) // 8
    return _ED25519_SIGNATURE_BYTES


def coordinate_bytes(key: ec.EllipticCurvePublicKey) -> int:
    """Return the length of one coordinate of a curve's point, in bytes."""
    return (key.curve.key_size + 7) // 8


def verify(key: VendorPublicKey, message: bytes, signature: bytes, algorithm: Algorithm) -> None:
    """Return if ``signature`` holds over ``message``; else raise SignatureInvalidError.

    The caller has bound ``algorithm`` to the key. The length is checked before any arithmetic:
    libraries read shorter and longer r || s too (attacks VP031, VP032).
    """
    if len(signature) != signature_bytes(key):
        raise SignatureInvalidError(
            f"a signature of this key has {signature_bytes(key)} bytes; this one has {len(signature)}"
        )
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            half = len(signature) // 2
            r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
            key.verify(encode_dss_signature(r, s), message, _ECDSA[algorithm])
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, _PSS if algorithm == "PS256" else _PKCS1, _SHA_256)
        else:
            key.verify(signature, message)
    except InvalidSignature as error:
        raise SignatureInvalidError("the signature does not verify over these bytes with this key") from error


def sign(key: VendorPrivateKey, message: bytes, algorithm: Algorithm) -> bytes:
    """Return the signature over ``message`` in JOSE form. Raises AlgorithmRefusedError for another key's algorithm."""
    check_bound(key.public_key(), algorithm)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(message, _ECDSA[algorithm]))
        length = coordinate_bytes(key.public_key())
        return r.to_bytes(length, "big") + s.to_bytes(length, "big")
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, _PSS if algorithm == "PS256" else _PKCS1, _SHA_256)
    return key.sign(message)


def check_bound(key: VendorPublicKey, algorithm: Algorithm) -> None:
    """Raise AlgorithmRefusedError where ``algorithm`` is not one of the key's (attack VP004)."""
    if algorithm not in algorithms_of(key):
        raise AlgorithmRefusedError(f"alg {algorithm} does not belong to this kind of key")
