"""What lies in a TPM. TPM 2.0 Part 3, 30."""

from __future__ import annotations

from typing import Final

from agent.tpm.client import Tpm
from agent.tpm.constants import Capability, Command
from agent.tpm.errors import TpmAnswerError
from agent.tpm.sessions import flush
from schemas.tpm.wire import uint32

NV_INDICES: Final = 0x01000000
LOADED_SESSIONS: Final = 0x02000000
TRANSIENT_KEYS: Final = 0x80000000

_MAX_ITEMS: Final = 127
_MAX_ROUNDS: Final = 64
_KIND: Final = 0xFF000000
# A loaded policy session has a kind of its own, and is listed among the sessions.
_POLICY_SESSIONS: Final = 0x03000000


def handles(tpm: Tpm, first: int) -> list[int]:
    """Return the handles of the kind of ``first`` from there on: NV indices, keys, sessions. Raises TpmError."""
    kinds = {first & _KIND} | ({_POLICY_SESSIONS} if first & _KIND == LOADED_SESSIONS else set())
    found: list[int] = []
    start = first
    for _ in range(_MAX_ROUNDS):
        request = uint32(Capability.HANDLES) + uint32(start) + uint32(_MAX_ITEMS)
        answer = tpm.run(Command.GET_CAPABILITY, parameters=request)
        more = answer.boolean("moreData")
        if answer.uint32("capability") != Capability.HANDLES:
            raise answer.error("another capability than the one asked for")
        page = [answer.uint32("handle") for _ in range(answer.uint32("count"))]
        answer.end()
        found += [handle for handle in page if handle & _KIND in kinds]
        if not more or not page or len(found) < len(page):
            return found
        start = page[-1] + 1
    raise TpmAnswerError("the TPM's list of handles does not end")


def flush_leftovers(tpm: Tpm) -> None:
    """Flush every transient key and loaded session. Only for a TPM that is ours alone. Raises TpmError."""
    for handle in handles(tpm, TRANSIENT_KEYS) + handles(tpm, LOADED_SESSIONS):
        flush(tpm, handle)
