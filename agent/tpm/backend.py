"""Importing this module lets ``did.signers.open_signer`` open ``tpm:`` keys."""

from __future__ import annotations

from did.signers import Signer, register_backend


def _open(uri: str, password: bytes | None) -> Signer:
    # Imported when asked for: most nodes sign with a file.
    from agent.tpm.signer import open_tpm_signer

    return open_tpm_signer(uri, password)


register_backend("tpm", _open)
