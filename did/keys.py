"""A public key that is safe to verify with: its kind, its algorithms, its thumbprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from did import algorithms, strength
from did.algorithms import Algorithm, VendorPublicKey
from did.errors import AlgorithmRefusedError
from schemas import base64url, jcs

__all__ = ["Algorithm", "PublicKey", "VendorPublicKey"]

THUMBPRINT_URI_PREFIX = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:"
"""What a key id starts with (RFC 9278 §3, FORMATS.md "Values: key id")."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A checked public key: P-256, P-384, Ed25519, or RSA of 2048 to 4096 bits.

    ``algorithms`` are those that it may be used with, the preferred one first; a JWK's ``alg``
    narrows them to one. Made by did.jwk and did.multikey; a weak key cannot be put into one.
    Equal when the key and its algorithms are.
    """

    vendor: VendorPublicKey = field(compare=False, repr=False)
    members: tuple[tuple[str, str], ...]
    """The members that RFC 7638 §3.2 requires, sorted by name."""
    algorithms: tuple[Algorithm, ...]

    def __post_init__(self) -> None:
        # Here and not in the parsers, so that no way in can forget it.
        if isinstance(self.vendor, rsa.RSAPublicKey):
            numbers = self.vendor.public_numbers()
            strength.check_rsa(numbers.n, numbers.e)
        elif isinstance(self.vendor, ed25519.Ed25519PublicKey):
            strength.check_ed25519(self.vendor.public_bytes_raw())

    @property
    def kty(self) -> str:
        """``EC``, ``OKP`` or ``RSA``."""
        return self.jwk["kty"]

    @property
    def crv(self) -> str | None:
        """``P-256``, ``P-384`` or ``Ed25519``; None for RSA."""
        return self.jwk.get("crv")

    @property
    def jwk(self) -> dict[str, str]:
        """The public JWK, members of RFC 7638 §3.2 only. A copy."""
        return dict(self.members)

    @property
    def thumbprint(self) -> bytes:
        """SHA-256 of the canonical JWK (32 bytes). RFC 7638 §3."""
        return hashlib.sha256(jcs.canonical_bytes({**self.jwk})).digest()

    @property
    def thumbprint_uri(self) -> str:
        """The key id: RFC 9278 URI of the SHA-256 thumbprint."""
        return THUMBPRINT_URI_PREFIX + base64url.encode(self.thumbprint)

    def verify(self, message: bytes, signature: bytes, algorithm: Algorithm) -> None:
        """Return if ``signature`` (JOSE form) holds over ``message``.

        Raises AlgorithmRefusedError where ``algorithm`` is not one of this key's, before the
        signature is looked at, and SignatureInvalidError for every signature that does not hold.
        """
        if algorithm not in self.algorithms:
            raise AlgorithmRefusedError(
                f"alg {str(algorithm)[:40]} does not belong to this key; {', '.join(self.algorithms)} would"
            )
        algorithms.verify(self.vendor, message, signature, algorithm)

    def encoded_point(self) -> bytes:
        """Return the compressed point (33 or 49 bytes, SEC 1 §2.3.3), the 32 bytes of Ed25519, or DER of RSA."""
        if isinstance(self.vendor, ec.EllipticCurvePublicKey):
            return self.vendor.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
        if isinstance(self.vendor, ed25519.Ed25519PublicKey):
            return self.vendor.public_bytes_raw()
        return self.vendor.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
