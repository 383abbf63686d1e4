"""New signing keys: a file in the data folder, or an existing key that a URI names."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from did.algorithms import Algorithm
from did.signers import generate_file_key, open_signer
from did.signers.file import absolute_uri, file_uri

ALGORITHMS: Final[tuple[Algorithm, ...]] = ("ES256", "ES384", "EdDSA", "PS256")
"""What a new key can be made for. RS256 is no choice of its own: compact certificates use it with a PS256 key."""

ALGORITHM_HELP: Final = "(default: ES256); PS256 is an RSA key, which signs compact certificates with RS256"


class KeyChoice(NamedTuple):
    """A key that can become the active one: the fragment of its verification method, and its signer's URI."""

    key_id: str
    uri: str


def new_key(folder: Path, issuer_slug: str, algorithm: Algorithm, uri: str | None) -> KeyChoice:
    """Return the key behind ``uri``, or a new one in ``folder`` (file mode 0600). Raises SignerError.

    The key id is the JWK thumbprint (RFC 7638): the same key never gets two names, and no key another's.
    """
    if uri is not None:
        # The service, and the next command, may run in another folder.
        lasting = absolute_uri(uri)
        return KeyChoice(_thumbprint(open_signer(lasting).public_key.thumbprint_uri), lasting)
    # The name is settled by the key, which is only known once it is written.
    draft = folder / f".{issuer_slug}.new"
    key_id = "-"
    while key_id[0] in "-_":
        # One key in 32: on a command line its name would look like an option.
        draft.unlink(missing_ok=True)
        key_id = _thumbprint(generate_file_key(draft, algorithm).public_key.thumbprint_uri)
    path = draft.rename(folder / f"{issuer_slug}.{key_id}.pem")
    return KeyChoice(key_id, file_uri(path))


def _thumbprint(thumbprint_uri: str) -> str:
    return thumbprint_uri.rpartition(":")[2]
