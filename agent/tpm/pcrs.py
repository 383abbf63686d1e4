"""Platform configuration registers of the SHA-256 bank. TPM 2.0 Part 3, 22."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from agent.tpm.client import Tpm
from agent.tpm.constants import Command
from agent.tpm.errors import TpmUnsuitableError
from agent.tpm.wire import EMPTY_PASSWORD
from schemas.tpm.algorithms import MAX_DIGEST_BYTES, TpmAlg
from schemas.tpm.pcr import PcrSelection, encode_selections, read_selections
from schemas.tpm.wire import uint16, uint32

VALUE_BYTES: Final = 32
"""Length of a register of the SHA-256 bank."""


def read_pcrs(tpm: Tpm, indices: Iterable[int]) -> dict[int, bytes]:
    """Return the values (32 bytes each) of some registers, by index, ascending.

    A TPM gives as many as fit an answer, eight at most, so a register may change between two of them: a quote tells.
    Raises TpmUnsuitableError where one is not in an active SHA-256 bank, TpmError. TPM2_PCR_Read.
    """
    wanted = sorted(set(indices))
    values: dict[int, bytes] = {}
    while missing := [index for index in wanted if index not in values]:
        got = _read_some(tpm, missing)
        if not got:
            raise TpmUnsuitableError(
                f"PCR {missing[0]} is not in an active SHA-256 bank of the TPM at {tpm.place}: switch the bank on in "
                "the firmware, or run tpm2_pcrallocate sha256:all and reboot"
            )
        values |= got
    return dict(sorted(values.items()))


def extend_pcr(tpm: Tpm, index: int, digest: bytes) -> None:
    """Extend a register of the SHA-256 bank by a digest of 32 bytes. Raises TpmError. TPM2_PCR_Extend.

    After TpmBusyError, TpmUnavailableError or TpmAnswerError nobody knows whether it was done: read the register.
    """
    if len(digest) != VALUE_BYTES:
        raise ValueError(f"a SHA-256 register is extended by {VALUE_BYTES} bytes")
    one_digest = uint32(1) + uint16(TpmAlg.SHA256) + digest
    tpm.run(Command.PCR_EXTEND, (index,), (EMPTY_PASSWORD,), one_digest).end()


def _read_some(tpm: Tpm, wanted: list[int]) -> dict[int, bytes]:
    selected = PcrSelection(TpmAlg.SHA256, tuple(wanted))
    answer = tpm.run(Command.PCR_READ, parameters=encode_selections([selected]))
    answer.uint32("pcrUpdateCounter")
    given = [selection for selection in read_selections(answer) if selection.indices]
    count = answer.uint32("the count of values")
    if not given and not count:
        return {}
    if len(given) != 1 or given[0].hash_algorithm != TpmAlg.SHA256 or not set(given[0].indices) <= set(wanted):
        raise answer.error("other registers than those asked for")
    if count != len(given[0].indices):
        raise answer.error(f"{count} values of {len(given[0].indices)} registers")
    values = {index: answer.sized(f"PCR {index}", MAX_DIGEST_BYTES) for index in given[0].indices}
    answer.end()
    if any(len(value) != VALUE_BYTES for value in values.values()):
        raise answer.error(f"a register of the SHA-256 bank that has not {VALUE_BYTES} bytes")
    return values
