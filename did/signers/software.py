"""A signing key in this process's memory."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from did import algorithms
from did.algorithms import Algorithm, VendorPrivateKey
from did.jwk import from_cryptography
from did.keys import PublicKey

# NIST SP 800-57 part 1, 2030 and beyond; verifiers take 2048 to 4096.
RSA_BITS: Final = 3072
_RSA_EXPONENT: Final = 65537


class SoftwareSigner:
    """Signs with a `cryptography` private key; safe in several threads. Its repr shows no key."""

    def __init__(self, key: VendorPrivateKey) -> None:
        """Take a P-256, P-384, Ed25519 or RSA key. Raises UnsupportedKeyError, InvalidKeyError for weak ones."""
        self._key = key
        self._public_key = from_cryptography(key.public_key())

    @classmethod
    def generate(cls, algorithm: Algorithm) -> SoftwareSigner:
        """Return a signer with a new key for ``algorithm``, from the operating system's randomness."""
        return cls(generate_private_key(algorithm))

    @property
    def public_key(self) -> PublicKey:
        """The public key that verifies what this signs."""
        return self._public_key

    def sign(self, message: bytes, algorithm: Algorithm) -> bytes:
        """Return the signature in JOSE form. Raises AlgorithmRefusedError for another key's algorithm."""
        return algorithms.sign(self._key, message, algorithm)

    def __repr__(self) -> str:
        return f"<SoftwareSigner {self._public_key.thumbprint_uri}>"


def generate_private_key(algorithm: Algorithm) -> VendorPrivateKey:
    """Return a new private key for ``algorithm``; RSA has 3072 bits. Raises AlgorithmRefusedError."""
    algorithms.accept(algorithm)
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "ES384":
        return ec.generate_private_key(ec.SECP384R1())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=_RSA_EXPONENT, key_size=RSA_BITS)
