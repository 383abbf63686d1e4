"""Who made a TPM, by its certificate: the attributes of the TCG EK Credential Profile 2.5, 3.2.9."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from verifier.endorsement.certificate import Certificate

_MANUFACTURER: Final = "2.23.133.2.1"
_MODEL: Final = "2.23.133.2.2"
_FIRMWARE: Final = "2.23.133.2.3"
_ID: Final = re.compile("id:([0-9A-Fa-f]{8})")
_VERSION: Final = re.compile("id:([0-9A-Fa-f]+)")
_MAX_CHARACTERS: Final = 64
_SHORT_DIGITS: Final = (2, 4, 8)


class TpmIdentity(Struct, frozen=True, kw_only=True):
    """What a certificate says of its TPM; each is empty where it says nothing, and at most 64 characters."""

    manufacturer: str
    """The letters of the TCG's registry of vendors, such as ``STM``; another text as it stands there."""
    model: str
    firmware: str
    """As ``major.minor`` where it is written as the profile asks, such as ``73.4``; another text as it stands."""


def read_tpm_identity(certificate: Certificate) -> TpmIdentity:
    """Return what the certificate says of its TPM, in subjectAltName or, of the oldest ones, in its subject."""
    return TpmIdentity(
        manufacturer=_manufacturer(_find(certificate, _MANUFACTURER)),
        model=_find(certificate, _MODEL),
        firmware=_firmware(_find(certificate, _FIRMWARE)),
    )


def manufacturer_letters(number: int) -> str:
    """Return the letters of a 32-bit vendor id (TPM_PT_MANUFACTURER), without what fills them up."""
    raw = number.to_bytes(4, "big").rstrip(b"\x00 ")
    return raw.decode("ascii") if raw.isalnum() and raw.isascii() else f"id:{number:08X}"


def _find(certificate: Certificate, kind: str) -> str:
    found = certificate.extensions.directory_name.find(kind) or certificate.subject.find(kind)
    # The first: a second one is no second TPM.
    text = found[0][:_MAX_CHARACTERS].strip() if found else ""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _manufacturer(text: str) -> str:
    matched = _ID.fullmatch(text)
    return text if matched is None else manufacturer_letters(int(matched[1], 16))


def _firmware(text: str) -> str:
    matched = _VERSION.fullmatch(text)
    if matched is None or len(matched[1]) not in _SHORT_DIGITS:
        return text
    half = len(matched[1]) // 2
    return f"{int(matched[1][:half], 16)}.{int(matched[1][half:], 16)}"
