"""What an attestation key signs: quotes, certified keys and counters; and the clock. TPM 2.0 Part 3, 18, 29 and 31."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.tpm.client import Tpm
from agent.tpm.constants import Command
from agent.tpm.keys import Key
from agent.tpm.wire import EMPTY_PASSWORD, AnswerReader
from schemas.tpm.algorithms import TpmAlg
from schemas.tpm.attest import ClockInfo
from schemas.tpm.pcr import PcrSelection, encode_selections
from schemas.tpm.wire import sized, uint16

_OWN_SCHEME: Final = uint16(TpmAlg.NULL)
_MAX_ATTEST_BYTES: Final = 2048


@dataclass(frozen=True, slots=True)
class Attested:
    """A statement of the TPM: TPMS_ATTEST, and the TPMT_SIGNATURE over it."""

    attest: bytes
    signature: bytes


def quote(tpm: Tpm, ak: Key, selections: Sequence[PcrSelection], extra_data: bytes) -> Attested:
    """Return the AK's quote of the selected registers. Raises TpmError. TPM2_Quote."""
    parameters = sized(extra_data) + _OWN_SCHEME + encode_selections(selections)
    return _attested(tpm.run(Command.QUOTE, (ak.handle,), (EMPTY_PASSWORD,), parameters))


def read_clock(tpm: Tpm) -> ClockInfo:
    """Return the TPM's clock: milliseconds, the boot epoch that they count in, and whether they are safe.

    Raises TpmError. TPM2_ReadClock.
    """
    answer = tpm.run(Command.READ_CLOCK)
    answer.uint64("time")
    clock = ClockInfo(
        answer.uint64("clock"), answer.uint32("resetCount"), answer.uint32("restartCount"), answer.boolean("safe")
    )
    answer.end()
    return clock


def _attested(answer: AnswerReader) -> Attested:
    return Attested(answer.sized("the attestation", _MAX_ATTEST_BYTES), answer.rest())
