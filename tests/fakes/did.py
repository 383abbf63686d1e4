"""Keys for tests: one signer per algorithm and process, and a signer that fails."""

from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import strategies as st

from did.algorithms import ALGORITHMS, Algorithm
from did.errors import SignerError
from did.keys import PublicKey
from did.signers.software import SoftwareSigner

CURVES: tuple[Algorithm, ...] = ("ES256", "ES384", "EdDSA")
"""The algorithms whose keys have a multikey and a did:key."""


def signer(algorithm: Algorithm, number: int = 0) -> SoftwareSigner:
    """Return the same signer for the same arguments; PS256 and RS256 share theirs, as one RSA key does."""
    return _signer("PS256" if algorithm == "RS256" else algorithm, number)


@cache
def _signer(algorithm: Algorithm, number: int) -> SoftwareSigner:
    if algorithm == "PS256":
        # Of 2048 bits, since generating more takes a second.
        return SoftwareSigner(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    return SoftwareSigner.generate(algorithm)


def public_key(algorithm: Algorithm, number: int = 0) -> PublicKey:
    """Return the public key of ``signer``."""
    return signer(algorithm, number).public_key


@st.composite
def fresh_signers(draw: st.DrawFn, algorithms: tuple[Algorithm, ...] = CURVES) -> SoftwareSigner:
    """Draw a signer with a new key (P-256, P-384, Ed25519: RSA is too slow to make)."""
    return SoftwareSigner.generate(draw(st.sampled_from(algorithms)))


class BrokenSigner:
    """A signer whose token was pulled out."""

    def __init__(self, key: PublicKey) -> None:
        self.public_key = key

    def sign(self, message: bytes, algorithm: Algorithm) -> bytes:
        raise SignerError("the token was lost")


__all__ = ["ALGORITHMS", "CURVES", "BrokenSigner", "fresh_signers", "public_key", "signer"]
