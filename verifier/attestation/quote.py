"""A quote: the TPM's word on its registers, with whatever it was asked to sign along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.tpm import pcr
from schemas.tpm.algorithms import algorithm_name
from schemas.tpm.attest import Attest, ClockInfo, QuoteInfo, parse_attest
from schemas.tpm.errors import ForeignAttestError, TpmStructureError
from schemas.tpm.pcr import PcrBanks, PcrSelection
from schemas.tpm.signature import parse_signature
from verifier.attestation.attestation_key import AttestationKey
from verifier.attestation.errors import NotAQuoteError, PcrDigestError, PcrSelectionError, QualifyingDataError


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote that was checked: when by the TPM's clock, by which firmware, over which values."""

    clock_info: ClockInfo
    firmware_version: int
    values: PcrBanks

    @property
    def epoch(self) -> tuple[int, int]:
        """The TPM's boot epoch: (resetCount, restartCount)."""
        return self.clock_info.reset_count, self.clock_info.restart_count


def check_quote(
    attest: bytes,
    signature: bytes,
    key: AttestationKey,
    *,
    qualifying_data: bytes,
    selections: Sequence[PcrSelection],
    values: PcrBanks,
) -> Quote:
    """Return what a quote says, after it was found to be ``key``'s, for ``qualifying_data``, over ``selections``.

    ``attest`` is a TPMS_ATTEST, ``signature`` a TPMT_SIGNATURE. ``values`` are those of exactly the selected
    registers, none missing and none besides. Whether the clock fits what went before is the chain's.

    Raises TpmStructureError (400) where bytes cannot be read, and one of QuoteError (401): NotAQuoteError,
    QuoteAlgorithmError, QuoteSignatureError, QualifyingDataError, PcrSelectionError, PcrDigestError.
    """
    try:
        attested = parse_attest(attest)
    except ForeignAttestError as error:
        raise NotAQuoteError(error.detail) from error
    quoted = attested.attested
    key.verify(attest, parse_signature(signature))
    if attested.extra_data != qualifying_data:
        raise QualifyingDataError("attest: extraData is not the digest of this window and nonce")
    _check_selections(quoted.selections, tuple(selections), values)
    _check_digest(quoted, values, key)
    return _quote(attested, values)


def _check_selections(quoted: tuple[PcrSelection, ...], expected: tuple[PcrSelection, ...], values: PcrBanks) -> None:
    if quoted != expected:
        raise PcrSelectionError(f"attest: the quote is over {_shown(quoted)}; {_shown(expected)} is required")
    selected = {(selection.hash_algorithm, index) for selection in expected for index in selection.indices}
    given = {(bank, index) for bank, registers in values.items() for index in registers}
    if given != selected:
        odd = sorted(index for _, index in given ^ selected)
        raise PcrSelectionError(
            f"pcrs: the values are not those of the quoted registers; PCR {odd} is too many or missing"
        )


def _check_digest(quoted: QuoteInfo, values: PcrBanks, key: AttestationKey) -> None:
    try:
        digest = pcr.composite_digest(quoted.selections, values, key.hash_algorithm)
    except TpmStructureError as error:
        raise PcrDigestError(f"pcrs: {error.detail}") from error
    if digest != quoted.pcr_digest:
        raise PcrDigestError("pcrs: the digest of the values is not the one that was quoted")


def _quote(attested: Attest, values: PcrBanks) -> Quote:
    copied = {bank: dict(registers) for bank, registers in values.items()}
    return Quote(attested.clock_info, attested.firmware_version, copied)


def _shown(selections: Sequence[PcrSelection]) -> str:
    shown = (f"{algorithm_name(one.hash_algorithm)} {list(one.indices)}" for one in selections)
    return "; ".join(shown) or "no registers"
