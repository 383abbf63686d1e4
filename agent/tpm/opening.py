"""Opening the TPM that an address names."""

from __future__ import annotations

from agent.tpm.address import TpmAddress
from agent.tpm.client import Tpm
from agent.tpm.info import flush_leftovers
from agent.tpm.transport import open_transport
from did.signers.file import read_secret


def open_tpm(address: TpmAddress) -> Tpm:
    """Return the TPM at an address, to be closed by the caller.

    Where only we can use it, keys and sessions that a killed process left there are flushed: it has as few as three
    places for them. Raises TpmUnavailableError, TpmBusyError, and SignerError for a password file that cannot be used.
    """
    files = (address.owner_auth_file, address.endorsement_auth_file)
    owner, endorsement = (read_secret(path) if path is not None else b"" for path in files)
    tpm = Tpm(open_transport(address.place), owner_password=owner, endorsement_password=endorsement)
    try:
        if tpm.exclusive:
            flush_leftovers(tpm)
    except BaseException:
        tpm.close()
        raise
    return tpm
