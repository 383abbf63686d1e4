"""Certificates as they lie in a TPM's NV memory: where each ends, and whose key it names. Pure.

They are not parsed: many of makers' certificates break DER in a detail, and whoever judges them does it elsewhere.
"""

from __future__ import annotations

from typing import Final

from schemas.tpm.algorithms import TpmEcc
from schemas.tpm.public import Public, RsaKey

_SEQUENCE: Final = 0x30
_PADDING: Final = b"\x00\xff"
_LONG: Final = 0x80
_MAX_LENGTH_BYTES: Final = 2
_UNCOMPRESSED: Final = b"\x04"
_COORDINATE_BYTES: Final[dict[int, int]] = {TpmEcc.NIST_P256: 32, TpmEcc.NIST_P384: 48, TpmEcc.NIST_P521: 66}


def first_certificate(content: bytes) -> bytes | None:
    """Return the DER certificate at the beginning of an NV index, the padding behind it left out; None without one."""
    end = _end(content)
    return None if end is None else content[:end]


def split_certificates(content: bytes) -> tuple[bytes, ...]:
    """Return the DER certificates that stand one after another, padding between and behind them left out.

    What is none, or cut, ends the list: intermediates help, and nobody trusts them for lying there.
    """
    certificates: list[bytes] = []
    rest = content.lstrip(_PADDING)
    while (end := _end(rest)) is not None:
        certificates.append(rest[:end])
        rest = rest[end:].lstrip(_PADDING)
    return tuple(certificates)


def certifies(certificate: bytes, public: Public) -> bool:
    """Return whether a certificate holds a public key: its modulus or point stands in it.

    Enough to find a TPM's own; whether it is to be believed is for the issuer to judge.
    """
    key = public.key
    if isinstance(key, RsaKey):
        return bool(key.modulus) and key.modulus in certificate
    length = _COORDINATE_BYTES.get(key.curve, 0)
    return bool(length) and _UNCOMPRESSED + key.x.rjust(length, b"\0") + key.y.rjust(length, b"\0") in certificate


def _end(content: bytes) -> int | None:
    """Return where the SEQUENCE at the beginning ends, None where there is none or it is cut. X.690 §8.1."""
    if len(content) < 2 or content[0] != _SEQUENCE:  # noqa: PLR2004 - tag and length
        return None
    length, start = content[1], 2
    if length & _LONG:
        count = length & ~_LONG
        if not 1 <= count <= _MAX_LENGTH_BYTES or len(content) < start + count:
            return None
        length, start = int.from_bytes(content[start : start + count], "big"), start + count
    end = start + length
    return end if end <= len(content) else None
