"""Signing keys by URI: ``file:PATH``, ``pkcs11:…``, and what else registers a scheme (``tpm:``).

signer = open_signer("file:/etc/green/issuer.pem?password-file=/run/secrets/issuer-key")
signature = signer.sign(b"message", "ES256")
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from did.errors import InvalidKeyError, SignerError, SignerUriError
from did.signers.file import generate_file_key, open_file
from did.signers.software import SoftwareSigner
from did.signing import Signer

__all__ = ["Signer", "SoftwareSigner", "generate_file_key", "open_signer", "register_backend", "schemes"]

Backend: TypeAlias = Callable[[str, bytes | None], Signer]
"""Opens a signer from its whole URI and an optional password or PIN. Raises SignerError."""


def _open_pkcs11(uri: str, password: bytes | None) -> Signer:
    # Imported when asked for: it needs an optional package and loads a vendor's library.
    from did.signers.pkcs11 import open_pkcs11

    return open_pkcs11(uri, password)


_BACKENDS: dict[str, Backend] = {"file": open_file, "pkcs11": _open_pkcs11}


def open_signer(uri: str, *, password: bytes | None = None) -> Signer:
    """Return the signer that ``uri`` names.

    ``password`` decrypts a file or is a token's PIN, where the URI does not say where to read it.
    Raises SignerUriError for a URI that cannot be read, SignerError where the key cannot be opened;
    neither ever repeats a password.
    """
    scheme, separator, _ = uri.partition(":")
    backend = _BACKENDS.get(scheme.lower()) if separator else None
    if backend is None:
        raise SignerUriError(f"a signing key is named by a URI that starts with one of {', '.join(schemes())}")
    try:
        return backend(uri, password)
    except InvalidKeyError as error:
        raise SignerError(f"the signing key cannot be used: {error.detail}") from error


def register_backend(scheme: str, backend: Backend) -> None:
    """Let ``backend`` open the URIs of ``scheme`` (lower case, without the colon). Raises ValueError if it is taken."""
    if _BACKENDS.setdefault(scheme, backend) is not backend:
        raise ValueError(f"the scheme {scheme}: has a backend already")


def schemes() -> list[str]:
    """Return the schemes that can be opened, each with its colon."""
    return sorted(f"{scheme}:" for scheme in _BACKENDS)
