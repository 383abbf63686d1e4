"""The public key in a certificate (RFC 5280 §4.1.2.7): RSA and the NIST curves."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from verifier.endorsement import der

_RSA: Final = "1.2.840.113549.1.1.1"
# What the oldest EK certificates say of an ordinary RSA key, with parameters that bind nobody (TCG EK profile, 3.5.1).
_RSA_OAEP: Final = "1.2.840.113549.1.1.7"
_EC: Final = "1.2.840.10045.2.1"
_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "1.2.840.10045.3.1.7": ec.SECP256R1(),
    "1.3.132.0.34": ec.SECP384R1(),
    "1.3.132.0.35": ec.SECP521R1(),
}
_UNCOMPRESSED: Final = 0x04
_WHAT: Final = "certificate, subjectPublicKeyInfo"
MAX_RSA_BITS: Final = 8192
"""The longest modulus that is read. What is too short is refused where the key is judged."""


def read_subject_key(element: der.Element) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    """Return the key of a SubjectPublicKeyInfo. Raises EkCertificateMalformedError for kinds that are not read."""
    fields = der.Members(element.content, _WHAT)
    algorithm = der.Members(fields.take(der.SEQUENCE, "algorithm").content, _WHAT)
    key = der.octets(fields.take(der.BIT_STRING, "subjectPublicKey"), _WHAT)
    fields.end()
    kind = der.oid(algorithm.take(der.OID, "algorithm"), _WHAT)
    try:
        if kind in (_RSA, _RSA_OAEP):
            return _rsa(key)
        if kind == _EC:
            return _ec(key, der.oid(algorithm.take(der.OID, "a named curve"), _WHAT))
    except (ValueError, UnsupportedAlgorithm):
        raise der.malformed(_WHAT, "its numbers are those of no key") from None
    raise der.malformed(_WHAT, f"a key of kind {kind}; RSA and the curves P-256, P-384 and P-521 are read")


def _rsa(key: bytes) -> rsa.RSAPublicKey:
    fields = der.Members(der.one(key, der.SEQUENCE, _WHAT).content, _WHAT)
    modulus = der.integer(fields.take(der.INTEGER, "modulus"), _WHAT)
    exponent = der.integer(fields.take(der.INTEGER, "publicExponent"), _WHAT)
    fields.end()
    if modulus <= 0 or modulus.bit_length() > MAX_RSA_BITS or not 0 < exponent < modulus:
        raise der.malformed(_WHAT, f"an RSA key has a modulus of at most {MAX_RSA_BITS} bits and an exponent below it")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _ec(key: bytes, curve: str) -> ec.EllipticCurvePublicKey:
    known = _CURVES.get(curve)
    if known is None:
        raise der.malformed(_WHAT, f"curve {curve}; P-256, P-384 and P-521 are read")
    if key[:1] != bytes([_UNCOMPRESSED]):
        raise der.malformed(_WHAT, "a point that is not written with both its coordinates")
    return ec.EllipticCurvePublicKey.from_encoded_point(known, key)
