"""TPMs that are known to give their keys away: the table in ``data/denied.csv``, its sources in ``data/NOTICE.txt``."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Final, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa

from verifier.endorsement.errors import TpmDeniedError

KeyKind = Literal["ecc", "rsa"]

_MINOR_BITS: Final = 16
_MINOR_MASK: Final = 0xFFFF
_SECOND_HALF_BITS: Final = 32


class Denial(msgspec.Struct, frozen=True, kw_only=True):
    """One row: TPMs of which kind, and why they are refused. What is empty holds for all."""

    manufacturer: str
    model: str = ""
    firmware: str = ""
    """``major.minor``, as TPM_PT_FIRMWARE_VERSION_1 has them."""
    key: KeyKind | Literal[""] = ""
    """Only attestation keys of this kind leak."""
    reason: str
    source: str


@cache
def shipped_denials() -> tuple[Denial, ...]:
    """Return the bundled table."""
    text = resources.files("verifier.endorsement").joinpath("data", "denied.csv").read_text(encoding="utf-8")
    return tuple(msgspec.convert(row, Denial) for row in csv.DictReader(text.splitlines()))


def find_denial(
    denied: Sequence[Denial], *, manufacturer: str, model: str = "", firmware: str | None, key: KeyKind | None = None
) -> Denial | None:
    """Return the first row that holds for this TPM, None where none does.

    With ``firmware`` or ``key`` None, rows that ask for one hold for nothing.
    """
    for row in denied:
        wanted = ((row.model, model), (row.firmware, firmware), (row.key, key))
        if row.manufacturer == manufacturer and all(not asked or asked == given for asked, given in wanted):
            return row
    return None


def check_firmware(
    denied: Sequence[Denial], *, manufacturer: str, model: str, firmware_version: int, key: KeyKind
) -> None:
    """Return if a TPM that runs this firmware keeps an attestation key of this kind to itself.

    ``firmware_version`` is the one in a quote by a key of the endorsement hierarchy (64 bits, not obfuscated there):
    a certificate tells only what a TPM left the factory with. Raises TpmDeniedError.
    """
    firmware = firmware_text(firmware_version)
    row = find_denial(denied, manufacturer=manufacturer, model=model, firmware=firmware, key=key)
    if row is not None:
        raise TpmDeniedError(
            f"the TPM ({manufacturer} {model}) runs firmware {firmware}, which is not accepted: {row.reason}; update it"
        )


def kind_of(key: object) -> KeyKind:
    """Return of which kind a key of `cryptography` is, as the table has it."""
    return "rsa" if isinstance(key, rsa.RSAPublicKey) else "ecc"


def firmware_text(firmware_version: int) -> str:
    """Return the upper half of a firmwareVersion as ``major.minor``: what makers publish."""
    first = firmware_version >> _SECOND_HALF_BITS
    return f"{first >> _MINOR_BITS}.{first & _MINOR_MASK}"
