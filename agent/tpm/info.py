"""What a TPM is: maker, firmware, banks, what lies in it. TPM 2.0 Part 3, 16 and 30."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.tpm.client import Tpm
from agent.tpm.constants import Capability, Command
from agent.tpm.errors import TpmAnswerError
from agent.tpm.sessions import flush
from agent.tpm.wire import AnswerReader
from schemas.tpm.pcr import read_selections
from schemas.tpm.wire import uint16, uint32

NV_INDICES: Final = 0x01000000
LOADED_SESSIONS: Final = 0x02000000
TRANSIENT_KEYS: Final = 0x80000000
PERSISTENT_KEYS: Final = 0x81000000

_MANUFACTURER: Final = 0x105
_VENDOR_STRINGS: Final = range(0x106, 0x10A)
_FIRMWARE: Final = (0x10B, 0x10C)
_PERMANENT: Final = 0x200
_IN_LOCKOUT: Final = 1 << 9
_MAX_ITEMS: Final = 127
_MAX_ROUNDS: Final = 64
_KIND: Final = 0xFF000000
# A loaded policy session has a kind of its own, and is listed among the sessions.
_POLICY_SESSIONS: Final = 0x03000000
_MAX_RANDOM_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class TpmInfo:
    """What a TPM says of itself.

    Attributes:
        manufacturer: up to four letters of the TCG's registry, such as ``INTC``, ``STM``, ``IBM`` (swtpm).
        model: the vendor's string, such as ``SW TPM``; may be empty.
        firmware: version, 64 bits, as quotes carry it obfuscated or plain.
        in_lockout: whether passwords are refused now. Keys of ours have none, and go on.
    """

    manufacturer: str
    model: str
    firmware: int
    in_lockout: bool


def read_info(tpm: Tpm) -> TpmInfo:
    """Return what the TPM says of itself. Raises TpmError. TPM2_GetCapability."""
    fixed = _properties(tpm, _MANUFACTURER, _FIRMWARE[1] - _MANUFACTURER + 1)
    permanent = _properties(tpm, _PERMANENT, 1)
    firmware = fixed.get(_FIRMWARE[0], 0) << 32 | fixed.get(_FIRMWARE[1], 0)
    return TpmInfo(
        manufacturer=_text(fixed.get(_MANUFACTURER, 0)),
        model=" ".join("".join(_text(fixed.get(number, 0)) for number in _VENDOR_STRINGS).split()),
        firmware=firmware,
        in_lockout=bool(permanent.get(_PERMANENT, 0) & _IN_LOCKOUT),
    )


def pcr_banks(tpm: Tpm) -> dict[int, frozenset[int]]:
    """Return the active banks: digest algorithm (TPM_ALG_ID) and the registers that it has. Raises TpmError."""
    answer = tpm.run(Command.GET_CAPABILITY, parameters=_request(Capability.PCRS, 0, _MAX_ITEMS))
    _more(answer, Capability.PCRS)
    banks = {selection.hash_algorithm: frozenset(selection.indices) for selection in read_selections(answer)}
    answer.end()
    return {algorithm: registers for algorithm, registers in banks.items() if registers}


def handles(tpm: Tpm, first: int) -> list[int]:
    """Return the handles of the kind of ``first`` from there on: NV indices, keys, sessions. Raises TpmError."""
    kinds = {first & _KIND} | ({_POLICY_SESSIONS} if first & _KIND == LOADED_SESSIONS else set())
    found: list[int] = []
    start = first
    for _ in range(_MAX_ROUNDS):
        answer = tpm.run(Command.GET_CAPABILITY, parameters=_request(Capability.HANDLES, start, _MAX_ITEMS))
        more = _more(answer, Capability.HANDLES)
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


def get_random(tpm: Tpm, count: int) -> bytes:
    """Return ``count`` bytes of the TPM's randomness. Raises TpmError. TPM2_GetRandom."""
    drawn = b""
    while len(drawn) < count:
        answer = tpm.run(Command.GET_RANDOM, parameters=uint16(min(_MAX_RANDOM_BYTES, count - len(drawn))))
        part = answer.sized("randomBytes", count - len(drawn))
        answer.end()
        if not part:
            raise answer.error("no bytes")
        drawn += part
    return drawn


def _properties(tpm: Tpm, first: int, count: int) -> dict[int, int]:
    answer = tpm.run(Command.GET_CAPABILITY, parameters=_request(Capability.PROPERTIES, first, count))
    _more(answer, Capability.PROPERTIES)
    found = {answer.uint32("property"): answer.uint32("value") for _ in range(answer.uint32("count"))}
    answer.end()
    return found


def _request(capability: Capability, first: int, count: int) -> bytes:
    return uint32(capability) + uint32(first) + uint32(count)


def _more(answer: AnswerReader, capability: Capability) -> bool:
    more = answer.boolean("moreData")
    if answer.uint32("capability") != capability:
        raise answer.error("another capability than the one asked for")
    return more


def _text(number: int) -> str:
    return "".join(chr(byte) for byte in number.to_bytes(4, "big") if 0x20 <= byte < 0x7F)  # noqa: PLR2004 - printable
