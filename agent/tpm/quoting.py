"""Signing windows: the digest into the chain's register, then a quote over it and over how the machine booted.

The register holds extend(chain, window digest) of one window after another, so within a boot no window can be hidden
or made twice. The order is: window to disk, extend, quote. Whatever ends it in between, the register tells afterwards
how far it came (``reconcile``).

After any TpmError nobody knows whether the register was extended: close, open again, and reconcile. The error says
what the node is without meanwhile: TpmUnavailableError, TpmBusyError, TpmLockoutError. The window stays in the spool.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from agent.errors import SettingsError
from agent.tpm.address import TpmAddress
from agent.tpm.attestation import Attested, quote, read_clock
from agent.tpm.client import Tpm
from agent.tpm.errors import TpmAnswerError, TpmBusyError, TpmChangedError
from agent.tpm.identity import lent_key
from agent.tpm.keys import Key
from agent.tpm.opening import open_tpm
from agent.tpm.pcrs import extend_pcr, read_pcrs
from schemas.tpm.algorithms import TpmAlg
from schemas.tpm.attest import ClockInfo, parse_attest
from schemas.tpm.errors import TpmStructureError
from schemas.tpm.pcr import CHAIN_PCR, composite_digest, extend, window_selection

ATTEMPTS: Final = 5
"""How often a quote is made anew because a register moved between reading and signing (IMA moves PCR 10)."""


_LASTING: Final = range(16)
"""Registers that only a reset of the machine clears. Software may clear 16 and 23 whenever it likes, and with them
what it signed; 17 to 22 are the platform's. PC Client Platform TPM Profile, 4.6."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where the chain stands in the TPM: boot epoch (resets, restarts), and the register's value (32 bytes)."""

    epoch: tuple[int, int]
    value: bytes


@dataclass(frozen=True, slots=True)
class WindowQuote:
    """The TPM's word for one window, or for the opening before the first.

    Attributes:
        attest: TPMS_ATTEST.
        signature: TPMT_SIGNATURE over it.
        pcr_values: the quoted registers of the SHA-256 bank, 32 bytes each, by index.
        clock: the TPM's clock as the quote holds it.
    """

    attest: bytes
    signature: bytes
    pcr_values: dict[int, bytes]
    clock: ClockInfo


class Next(Enum):
    """What is to be done with a window that was on its way when the agent ended, or with the chain."""

    GO_ON = "nothing was on its way, and the chain stands where it was left"
    EXTEND = "the window is not in the register yet: extend, and quote"
    QUOTE = "the window is in the register: quote again"
    NEW_EPOCH = "the machine was booted or resumed: a new chain begins at the value found"
    BROKEN = "somebody else extended the register: declare a break; a new chain begins at the value found"


def reconcile(left: Position, pending: bytes | None, found: Position) -> Next:
    """Return what is to be done after a start, or after any error of the TPM. Pure.

    ``left`` is the epoch and the chain's value before the window of digest ``pending`` (None: nothing on its way).
    """
    if found.epoch != left.epoch:
        return Next.NEW_EPOCH
    if found.value == left.value:
        return Next.GO_ON if pending is None else Next.EXTEND
    if pending is not None and found.value == extend(left.value, pending):
        return Next.QUOTE
    return Next.BROKEN


def check_clock(left: Position, clock_ms: int, found: ClockInfo) -> None:
    """Return if windows may go on in a new epoch, at the clock ``found``, after ``clock_ms`` in the epoch of ``left``.

    A TPM that lost power goes on from the clock that it saved last, up to 69 minutes ago, and says that
    it is not safe: its reset count, which rose, shows that time went on (docs/decisions/0011).

    Raises TpmChangedError where its counters went back, TpmBusyError where only waiting helps, and for how long.
    """
    epoch = (found.reset_count, found.restart_count)
    if epoch < left.epoch:
        raise TpmChangedError(
            f"the TPM counts {epoch[0]} resets and {epoch[1]} restarts, after {left.epoch[0]} and {left.epoch[1]}: it "
            "was cleared, or an earlier state was put back, and its windows are refused; enrol again"
        )
    lost_power = epoch[0] > left.epoch[0] and not found.safe
    behind_ms = clock_ms - found.clock_ms
    if behind_ms >= 0 and not lost_power:
        minutes = behind_ms // 60_000 + 1
        raise TpmBusyError(
            f"the TPM's clock went back behind the {clock_ms} ms that it had reached, without a loss of power: windows "
            f"wait until it is past them, for else they are refused; that takes {minutes} min at most"
        )


class Quoter:
    """Signs windows with an attestation key. Any thread may call it."""

    def __init__(self, tpm: Tpm, ak: Key, *, chain_pcr: int = CHAIN_PCR) -> None:
        """Take a TPM and its loaded AK. Raises SettingsError where the register cannot hold the chain."""
        try:
            self._selections = window_selection(chain_pcr)
        except TpmStructureError as error:
            raise SettingsError(error.detail) from error
        if chain_pcr not in _LASTING:
            raise SettingsError(
                f"PCR {chain_pcr} cannot hold the chain: it can be reset while the machine runs; "
                "15 is usual, 8, 9 and 11 to 14 are possible"
            )
        self.ak = ak
        self._tpm = tpm
        self._chain_pcr = chain_pcr

    def position(self) -> Position:
        """Return where the chain stands now: what it begins with, or what to reconcile with. Raises TpmError."""
        with self._tpm.lock:
            clock = read_clock(self._tpm)
            value = read_pcrs(self._tpm, [self._chain_pcr])[self._chain_pcr]
        return Position((clock.reset_count, clock.restart_count), value)

    def open(self, extra_data: bytes) -> WindowQuote:
        """Return the quote that opens an epoch or follows a break: nothing is extended, the chain begins at its value.

        ``extra_data`` (32 bytes) is an opening's, never a window's. Raises TpmError.
        """
        with self._tpm.lock:
            return self._quote(extra_data)

    def sign(self, chain: bytes, window_digest: bytes, extra_data: bytes) -> WindowQuote:
        """Return the quote over ``extra_data`` (32 bytes) with the window put into the register.

        ``chain`` is the register's value before it; afterwards it is ``extend(chain, window_digest)``. The window and
        ``chain`` must be on disk. Raises TpmChangedError where the register holds something else, TpmError.
        """
        with self._tpm.lock:
            extend_pcr(self._tpm, self._chain_pcr, window_digest)
            return self.sign_again(chain, window_digest, extra_data)

    def sign_again(self, chain: bytes, window_digest: bytes, extra_data: bytes) -> WindowQuote:
        """Return the quote for a window that is in the register already (``Next.QUOTE``). Raises as ``sign``."""
        with self._tpm.lock:
            made = self._quote(extra_data)
        if made.pcr_values[self._chain_pcr] != extend(chain, window_digest):
            raise TpmChangedError(
                f"PCR {self._chain_pcr} does not hold the chain of windows: another program extends it too; "
                "declare a break, and choose another register if it happens again"
            )
        return made

    def _quote(self, extra_data: bytes) -> WindowQuote:
        indices = self._selections[0].indices
        for _ in range(ATTEMPTS):
            values = read_pcrs(self._tpm, indices)
            made = quote(self._tpm, self.ak, self._selections, extra_data)
            clock, digest = self._read(made, extra_data)
            if self._composite(values) != digest:
                # A register moved. Before the quote: then it holds what is to be read now.
                values = read_pcrs(self._tpm, indices)
            if self._composite(values) == digest:
                return WindowQuote(made.attest, made.signature, values, clock)
        raise TpmBusyError(f"the registers change faster than they can be quoted, {ATTEMPTS} times in a row; try again")

    def _composite(self, values: dict[int, bytes]) -> bytes:
        return composite_digest(self._selections, {TpmAlg.SHA256: values}, TpmAlg.SHA256)

    def _read(self, made: Attested, extra_data: bytes) -> tuple[ClockInfo, bytes]:
        try:
            attest = parse_attest(made.attest)
        except TpmStructureError as error:
            raise TpmAnswerError(f"the TPM's quote cannot be read: {error.detail}") from error
        said = attest.attested
        if attest.extra_data != extra_data or said.selections != self._selections:
            raise TpmAnswerError("the TPM quoted something else than it was asked for")
        return attest.clock_info, said.pcr_digest


@contextmanager
def open_quoter(address: TpmAddress, ak_file: Path, *, chain_pcr: int = CHAIN_PCR) -> Iterator[Quoter]:
    """Lend a quoter of the TPM at an address and the AK of a file; everything is given back afterwards.

    Raises TpmUnavailableError, TpmBusyError, TpmLockoutError, TpmChangedError, TpmError, SettingsError.
    """
    with open_tpm(address) as tpm, lent_key(tpm, ak_file) as ak:
        yield Quoter(tpm, ak, chain_pcr=chain_pcr)
