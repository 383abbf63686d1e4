"""What a signing key can do, wherever it lives: in a file, a PKCS#11 token, a TPM."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from did.algorithms import Algorithm
from did.keys import PublicKey


@runtime_checkable
class Signer(Protocol):
    """A signing key. May be used from several threads at once."""

    @property
    def public_key(self) -> PublicKey:
        """The public key that verifies what this signs."""
        ...

    def sign(self, message: bytes, algorithm: Algorithm) -> bytes:
        """Return the signature over ``message`` in JOSE form (ECDSA r || s, PS256 salt 32).

        Raises AlgorithmRefusedError where ``algorithm`` is not one of the key's, SignerError where
        the key cannot be used now.
        """
        ...
