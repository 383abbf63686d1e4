"""The holder's key: a file in the wallet's folder, known to the world as a ``did:key``.

``holder-key.pem`` is PKCS #8, readable by its owner alone. The DID is derived from it, so there is
nothing else to keep, and nothing to publish (did:key, W3C CCG).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from did import local
from did.keys import Algorithm
from did.signers import Signer, open_signer
from did.signers.file import generate_file_key
from wallet.errors import WalletExistsError, WalletMissingError
from wallet.present import Holder

KEY_FILE: Final = "holder-key.pem"


def create_holder(folder: Path, algorithm: Algorithm) -> Holder:
    """Make a key of its own for ``folder`` and return the holder. Raises WalletExistsError over an existing key."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / KEY_FILE
    if path.exists():
        raise WalletExistsError(f"{path} exists: use that wallet, or choose another folder with --wallet")
    return _holder(generate_file_key(path, algorithm))


def open_holder(folder: Path) -> Holder:
    """Return the holder of ``folder``. Raises WalletMissingError where none has been made."""
    path = folder / KEY_FILE
    if not path.exists():
        raise WalletMissingError(f"{folder} holds no key: `green-wallet init --wallet {folder}` makes one")
    return _holder(open_signer(f"file:{path}"))


def _holder(signer: Signer) -> Holder:
    did = local.did_key(signer.public_key)
    return Holder(did, local.method_id(did), signer.public_key.algorithms[0], signer)
