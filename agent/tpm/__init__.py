"""The TPM 2.0 of this node, spoken to without a TSS library: raw commands over Linux's device or swtpm's socket.

``opening`` opens one; ``identity`` holds what enrolment needs, ``quoting`` what signs windows, ``signer`` keys that
sign anything. Below stand the commands: ``keys``, ``sessions``, ``pcrs``, ``attestation``, ``nv``, ``info``.

Importing this package lets ``did.signers.open_signer`` open ``tpm:`` keys.
"""

from __future__ import annotations

from did.signers import Signer, register_backend


def _open(uri: str, password: bytes | None) -> Signer:
    # Imported when asked for: most nodes sign with a file.
    from agent.tpm.signer import open_tpm_signer

    return open_tpm_signer(uri, password)


register_backend("tpm", _open)
