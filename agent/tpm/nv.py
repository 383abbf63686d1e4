"""Non-volatile indices: reading them, and monotonic counters. TPM 2.0 Part 3, 31.

Counters wear the memory out after some 100,000 writes: one increment a session or an hour, never one a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.tpm.client import Tpm
from agent.tpm.constants import Command, Handle, NvAttribute
from agent.tpm.errors import TpmRefusedError
from agent.tpm.wire import EMPTY_PASSWORD, AnswerReader
from schemas.tpm.algorithms import MAX_DIGEST_BYTES, TpmAlg
from schemas.tpm.wire import sized, uint16, uint32

COUNTER_BYTES: Final = 8
_MAX_PUBLIC_BYTES: Final = 14 + MAX_DIGEST_BYTES
_CHUNK_BYTES: Final = 512
"""Every TPM of a PC gives that many at a time (PC Client Platform TPM Profile, TPM_PT_NV_BUFFER_MAX)."""


@dataclass(frozen=True, slots=True)
class NvPublic:
    """What an index is: TPMS_NV_PUBLIC (Part 2, 13.5). ``size`` in bytes."""

    index: int
    attributes: NvAttribute
    size: int


def nv_read_public(tpm: Tpm, index: int) -> NvPublic | None:
    """Return what an index is, None where there is none. Raises TpmError. TPM2_NV_ReadPublic."""
    try:
        answer = tpm.run(Command.NV_READ_PUBLIC, (index,))
    except TpmRefusedError as error:
        if error.code_name in {"TPM_RC_HANDLE", "TPM_RC_VALUE"}:
            return None
        raise
    public = AnswerReader(answer.sized("nvPublic", _MAX_PUBLIC_BYTES), "TPMS_NV_PUBLIC")
    answer.sized("nvName", 2 + MAX_DIGEST_BYTES)
    answer.end()
    found = public.uint32("nvIndex")
    public.uint16("nameAlg")
    attributes = NvAttribute(public.uint32("attributes"))
    public.sized("authPolicy", MAX_DIGEST_BYTES)
    size = public.uint16("dataSize")
    public.end()
    if found != index:
        raise answer.error(f"index 0x{found:x} when 0x{index:x} was asked for")
    return NvPublic(index, attributes, size)


def nv_read(tpm: Tpm, index: int) -> bytes | None:
    """Return all that an index holds, None where there is none or nothing was written. Raises TpmError. TPM2_NV_Read."""
    public = nv_read_public(tpm, index)
    if public is None or NvAttribute.WRITTEN not in public.attributes:
        return None
    if NvAttribute.AUTH_READ in public.attributes:
        entitled, authorization = index, EMPTY_PASSWORD
    else:
        entitled, authorization = Handle.OWNER, tpm.owner
    content = b""
    while len(content) < public.size:
        count = min(_CHUNK_BYTES, public.size - len(content))
        answer = tpm.run(Command.NV_READ, (entitled, index), (authorization,), uint16(count) + uint16(len(content)))
        part = answer.sized("data", count)
        answer.end()
        if len(part) != count:
            raise answer.error(f"{len(part)} bytes when {count} were asked for")
        content += part
    return content


def define_counter(tpm: Tpm, index: int, *, orderly: bool = True) -> None:
    """Make a monotonic counter that anybody on this machine may read and increment. TPM2_NV_DefineSpace.

    ``orderly`` counts in memory and writes rarely; a power cut then costs some numbers, never gives one again.
    Raises TpmRefusedError (TPM_RC_NV_DEFINED, TPM_RC_NV_SPACE), TpmError.
    """
    attributes = (
        NvAttribute.AUTH_WRITE
        | NvAttribute.AUTH_READ
        | NvAttribute.OWNER_READ
        | NvAttribute.NO_DA
        | NvAttribute.COUNTER
        | (NvAttribute.ORDERLY if orderly else NvAttribute(0))
    )
    no_password, no_policy = sized(b""), sized(b"")
    public = uint32(index) + uint16(TpmAlg.SHA256) + uint32(attributes) + no_policy + uint16(COUNTER_BYTES)
    tpm.run(Command.NV_DEFINE_SPACE, (Handle.OWNER,), (tpm.owner,), no_password + sized(public))


def undefine(tpm: Tpm, index: int) -> None:
    """Remove an index that the owner made. Raises TpmError. TPM2_NV_UndefineSpace."""
    tpm.run(Command.NV_UNDEFINE_SPACE, (Handle.OWNER, index), (tpm.owner,))


def increment(tpm: Tpm, index: int) -> None:
    """Count one further. Raises TpmError. TPM2_NV_Increment."""
    tpm.run(Command.NV_INCREMENT, (index, index), (EMPTY_PASSWORD,))


def read_counter(tpm: Tpm, index: int) -> int | None:
    """Return a counter's value, None where there is none or it was never incremented. Raises TpmError."""
    content = nv_read(tpm, index)
    return None if content is None else int.from_bytes(content, "big")
