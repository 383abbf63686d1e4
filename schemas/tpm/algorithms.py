"""The numbers of the TPM 2.0 Library that attestation uses, by their names (Part 2; TCG Algorithm Registry)."""

from __future__ import annotations

import hashlib
from enum import IntEnum, IntFlag
from typing import Final

from schemas.tpm.errors import TpmStructureError

TPM_GENERATED_VALUE: Final = 0xFF544347
"""What a TPM puts before everything that it attests, and before nothing else that it signs (Part 2 §6.2)."""
TPM_ST_ATTEST_QUOTE: Final = 0x8018
"""The type of a quote among a TPM's attestations (Part 2 §6.9)."""


class TpmAlg(IntEnum):
    """TPM_ALG_ID (Part 2 §6.3)."""

    RSA = 0x0001
    SHA1 = 0x0004
    HMAC = 0x0005
    AES = 0x0006
    MGF1 = 0x0007
    SHA256 = 0x000B
    SHA384 = 0x000C
    SHA512 = 0x000D
    NULL = 0x0010
    SM4 = 0x0013
    RSASSA = 0x0014
    RSAES = 0x0015
    RSAPSS = 0x0016
    OAEP = 0x0017
    ECDSA = 0x0018
    ECDH = 0x0019
    ECDAA = 0x001A
    SM2 = 0x001B
    ECSCHNORR = 0x001C
    ECMQV = 0x001D
    KDF1_SP800_56A = 0x0020
    KDF2 = 0x0021
    KDF1_SP800_108 = 0x0022
    ECC = 0x0023
    CAMELLIA = 0x0026
    CFB = 0x0043


class TpmEcc(IntEnum):
    """TPM_ECC_CURVE (Part 2 §6.4)."""

    NIST_P192 = 0x0001
    NIST_P224 = 0x0002
    NIST_P256 = 0x0003
    NIST_P384 = 0x0004
    NIST_P521 = 0x0005
    BN_P256 = 0x0010
    BN_P638 = 0x0011
    SM2_P256 = 0x0020


class TpmaObject(IntFlag):
    """TPMA_OBJECT: what a key may be used for and where it may live (Part 2 §8.3)."""

    FIXED_TPM = 1 << 1
    ST_CLEAR = 1 << 2
    FIXED_PARENT = 1 << 4
    SENSITIVE_DATA_ORIGIN = 1 << 5
    USER_WITH_AUTH = 1 << 6
    ADMIN_WITH_POLICY = 1 << 7
    FIRMWARE_LIMITED = 1 << 8
    SVN_LIMITED = 1 << 9
    NO_DA = 1 << 10
    ENCRYPTED_DUPLICATION = 1 << 11
    RESTRICTED = 1 << 16
    DECRYPT = 1 << 17
    SIGN = 1 << 18
    X509_SIGN = 1 << 19


KNOWN_ATTRIBUTES: Final = TpmaObject(sum(TpmaObject))
"""Every attribute that has a name; the rest of the 32 bits is reserved and zero."""

_HASHES: Final = {
    TpmAlg.SHA1: ("sha1", 20),
    TpmAlg.SHA256: ("sha256", 32),
    TpmAlg.SHA384: ("sha384", 48),
    TpmAlg.SHA512: ("sha512", 64),
}

MAX_DIGEST_BYTES: Final = 64
"""The longest digest, TPMU_HA with SHA-512."""


def algorithm_name(algorithm: int) -> str:
    """Return the name of an algorithm such as ``TPM_ALG_SHA256``, or its number where it has none here."""
    try:
        return f"TPM_ALG_{TpmAlg(algorithm).name}"
    except ValueError:
        return f"algorithm 0x{algorithm:04x}"


def curve_name(curve: int) -> str:
    """Return the name of a curve such as ``TPM_ECC_NIST_P256``, or its number where it has none here."""
    try:
        return f"TPM_ECC_{TpmEcc(curve).name}"
    except ValueError:
        return f"curve 0x{curve:04x}"


def is_hash(algorithm: int) -> bool:
    """Return whether ``algorithm`` is a hash that is computed here. SHA-1 is: to be named where it is refused."""
    return algorithm in _HASHES


def digest_bytes(algorithm: int) -> int:
    """Return the length of a digest. Raises TpmStructureError for what is no hash, or none that is known here."""
    return _hash(algorithm)[1]


def digest(algorithm: int, content: bytes) -> bytes:
    """Return the digest of ``content``. Raises TpmStructureError as digest_bytes."""
    return hashlib.new(_hash(algorithm)[0], content, usedforsecurity=False).digest()


def _hash(algorithm: int) -> tuple[str, int]:
    try:
        return _HASHES[TpmAlg(algorithm)]
    except (ValueError, KeyError):
        raise TpmStructureError(f"{algorithm_name(algorithm)} is no hash that is computed here") from None
