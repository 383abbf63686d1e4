"""Reading non-volatile indices. TPM 2.0 Part 3, 31."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.tpm.client import Tpm
from agent.tpm.constants import Command, Handle, NvAttribute
from agent.tpm.errors import TpmRefusedError
from agent.tpm.wire import EMPTY_PASSWORD, AnswerReader
from schemas.tpm.algorithms import MAX_DIGEST_BYTES
from schemas.tpm.wire import uint16

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
