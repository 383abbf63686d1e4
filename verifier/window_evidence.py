"""A window's evidence as a credential carries or names it: its bytes read, and its signature checked.

A TPM's quote is a CMW collection and carries its own key; a software key's signature is a compact JWS, and the key
is looked for under its thumbprint. Whatever is wrong with either is EVIDENCE_MISMATCH: the issuer committed to
these bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from did.keys import PublicKey
from schemas import cmw
from schemas.credential import EvidenceEntry
from schemas.errors import FormatError
from schemas.tpm.pcr import CHAIN_PCR
from verifier.attestation import software
from verifier.attestation.errors import AttestationError
from verifier.attestation.window import CheckedWindow, check_window
from verifier.errors import EvidenceMismatchError

_ALWAYS_QUOTED: Final = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 10})


@dataclass(frozen=True, slots=True)
class SignedWindow:
    """A window whose evidence holds; ``chain_pcr`` is the register that chains it, None for a software key."""

    window: CheckedWindow
    chain_pcr: int | None = None


def read_quote(entry: EvidenceEntry, raw: bytes) -> SignedWindow:
    """Return the window in a TPM's evidence, as ``entry`` names it. Raises EvidenceMismatchError."""
    _check_media_type(entry, cmw.MEDIA_TYPE)
    try:
        evidence = cmw.parse_evidence(raw)
        # The register is configurable, and the quote signs which ones it is over; the enrolment record names it too.
        chained = sorted(set(evidence.pcrs) - _ALWAYS_QUOTED)
        chain_pcr = chained[0] if len(chained) == 1 else CHAIN_PCR
        window = check_window(evidence, chain_pcr=chain_pcr)
    except (FormatError, AttestationError) as error:
        raise EvidenceMismatchError(f"evidence: the TPM's quote does not hold: {error.detail}") from error
    _check_names(entry, window)
    return SignedWindow(window, chain_pcr)


def read_software(entry: EvidenceEntry, raw: bytes, key: PublicKey) -> SignedWindow:
    """Return the window that a software key signed, as ``entry`` names it. Raises EvidenceMismatchError."""
    _check_media_type(entry, software.MEDIA_TYPE)
    try:
        window = software.check_software_window(raw.decode("ascii"), key)
    except UnicodeDecodeError as error:
        raise EvidenceMismatchError("evidence: the window's signature is no compact JWS") from error
    except (FormatError, AttestationError) as error:
        raise EvidenceMismatchError(f"evidence: the window's signature does not hold: {error.detail}") from error
    _check_names(entry, window)
    return SignedWindow(window)


def _check_media_type(entry: EvidenceEntry, expected: str) -> None:
    if entry.media_type != expected:
        raise EvidenceMismatchError(f"evidence: mediaType is {entry.media_type}; {expected} is what is read here")


def _check_names(entry: EvidenceEntry, window: CheckedWindow) -> None:
    if entry.window_digest != window.digest:
        raise EvidenceMismatchError(f"evidence: windowDigest is not that of the window, {window.digest}")
    if entry.signed_by != window.header.key:
        raise EvidenceMismatchError(f"evidence: signedBy is not the key that signed the window, {window.header.key}")
