"""An enrolment record held against the evidence that names it: the same node, key, TPM, and a quote that holds.

It is the issuer's word, signed with every credential by its digest. What can be checked again is: the key's public
area, the quote that opened its chain, and that the record speaks of this key on this node. That the key lives in
the TPM of the certificate was shown to the issuer alone (activation).
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas import digests
from schemas.enrolment_record import EnrolmentRecord, parse_enrolment
from schemas.errors import FormatError
from schemas.opening_quote import OpeningQuote
from schemas.tpm import pcr
from schemas.tpm.errors import TpmStructureError
from schemas.tpm.public import parse_public
from schemas.window_header import WindowHeader
from verifier.attestation.attestation_key import AttestationKey, check_attestation_key
from verifier.attestation.errors import AttestationError
from verifier.attestation.window import CheckedWindow, Opening, check_opening
from verifier.errors import EvidenceMismatchError


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A record whose quote holds: the record, its attestation key, the opening of its chain."""

    record: EnrolmentRecord
    key: AttestationKey
    opening: Opening


def check_enrolment(raw: bytes) -> Enrolment:
    """Return the enrolment in a record's bytes, its keys and its quote found to hold. Raises EvidenceMismatchError."""
    try:
        record = parse_enrolment(raw)
        parse_public(record.ek_bytes)
        key = check_attestation_key(record.ak_bytes)
        opening = open_quote(record.opening, key, chain_pcr=record.chain_pcr)
    except (FormatError, TpmStructureError, AttestationError) as error:
        raise EvidenceMismatchError(f"enrolment record: {error.detail}") from error
    if record.key != key.thumbprint_uri:
        raise EvidenceMismatchError("enrolment record: key is not the thumbprint of ak_public")
    return Enrolment(record, key, opening)


def open_quote(quote: OpeningQuote, key: AttestationKey, *, chain_pcr: int) -> Opening:
    """Return the opening that a quote makes. Raises FormatError, TpmStructureError and AttestationError."""
    return check_opening(
        quote.attest_bytes,
        quote.signature_bytes,
        key,
        previous=quote.previous,
        nonce=quote.nonce_bytes,
        pcrs=_with(quote, chain_pcr),
        chain_pcr=chain_pcr,
    )


def match_window(enrolment: Enrolment, window: CheckedWindow, *, chain_pcr: int) -> None:
    """Return if the window's key is the one enrolled, for its node. Raises EvidenceMismatchError.

    Where the window is the first after the opening, within the same epoch, the chain's register must hold what
    the opening left, extended by this window alone: else a window in between is hidden.
    """
    record, header = enrolment.record, window.header
    if record.node_id != header.node_id:
        raise EvidenceMismatchError(f"enrolment record: it is of node {record.node_id}, the window of {header.node_id}")
    if record.ak != header.ak or record.key != header.key:
        raise EvidenceMismatchError("enrolment record: the window is signed by another attestation key")
    if record.chain_pcr != chain_pcr:
        raise EvidenceMismatchError(
            f"enrolment record: the windows are chained in PCR {record.chain_pcr}, this one in PCR {chain_pcr}"
        )
    if follows_opening(enrolment.opening, header):
        _check_first(enrolment.opening, window)


def follows_opening(opening: Opening, header: WindowHeader) -> bool:
    """Return whether a window is the one right after an opening, in the epoch that it opened."""
    return header.previous == opening.previous and header.boot.epoch == opening.quote.epoch


def _check_first(opening: Opening, window: CheckedWindow) -> None:
    expected = pcr.extend(opening.chain_value, digests.decode(window.digest))
    if window.chain_value != expected:
        raise EvidenceMismatchError(
            "pcrs: the chain's register is not what the opening left, extended by this window alone"
        )
    if window.quote is not None and window.quote.clock_info.clock_ms <= opening.quote.clock_info.clock_ms:
        raise EvidenceMismatchError("attest: the TPM's clock is not above that of the opening before")


def _with(quote: OpeningQuote, chain_pcr: int) -> dict[int, bytes]:
    values = dict(quote.values)
    if chain_pcr not in values:
        raise TpmStructureError(f"pcrs: PCR {chain_pcr}, which chains the windows, is missing")
    return values
