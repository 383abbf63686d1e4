"""Handles that live in the TPM: flushing them, and policy sessions. TPM 2.0 Part 3, 11, 23 and 28."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from agent.tpm.client import Tpm
from agent.tpm.constants import Command, Handle
from agent.tpm.errors import TpmError
from agent.tpm.wire import Authorization
from schemas.tpm.algorithms import MAX_DIGEST_BYTES, TpmAlg
from schemas.tpm.wire import sized, uint8, uint16, uint32

_POLICY_SESSION: Final = 0x01
_NONCE_BYTES: Final = 32


def flush(tpm: Tpm, handle: int) -> None:
    """Remove a key or session from the TPM's memory. Raises TpmError. TPM2_FlushContext."""
    tpm.run(Command.FLUSH_CONTEXT, parameters=uint32(handle))


@contextmanager
def flushed(tpm: Tpm, handle: int) -> Iterator[int]:
    """Lend a handle, and flush it afterwards, also after an error, which is then the one that is raised."""
    try:
        yield handle
    except BaseException:
        # The first error is the cause. Where the TPM is ours alone, opening it again flushes what is left.
        with suppress(TpmError):
            flush(tpm, handle)
        raise
    flush(tpm, handle)


@contextmanager
def endorsement_session(tpm: Tpm, *, randomness: Callable[[int], bytes] = os.urandom) -> Iterator[Authorization]:
    """Lend the authorization of PolicyA: who may use the endorsement hierarchy may use its EK.

    It serves one command. Raises TpmError. TPM2_StartAuthSession, TPM2_PolicySecret; TCG EK Credential Profile, B.
    """
    no_salt, no_symmetric = sized(b""), uint16(TpmAlg.NULL)
    nonce = sized(randomness(_NONCE_BYTES))
    handle, answer = tpm.make(
        Command.START_AUTH_SESSION,
        (Handle.NULL, Handle.NULL),
        (),
        nonce + no_salt + uint8(_POLICY_SESSION) + no_symmetric + uint16(TpmAlg.SHA256),
    )
    with flushed(tpm, handle):
        answer.sized("nonceTPM", MAX_DIGEST_BYTES)
        answer.end()
        no_nonce_no_digest_no_reference, no_expiry = sized(b"") * 3, uint32(0)
        tpm.run(
            Command.POLICY_SECRET,
            (Handle.ENDORSEMENT, handle),
            (tpm.endorsement,),
            no_nonce_no_digest_no_reference + no_expiry,
        )
        yield Authorization(session=handle)
