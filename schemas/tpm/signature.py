"""TPMT_SIGNATURE: how a TPM says who signed and by which scheme (TPM 2.0 Part 2 §11.3.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.tpm.algorithms import TpmAlg, algorithm_name
from schemas.tpm.wire import Reader

_STRUCTURE: Final = "TPMT_SIGNATURE"
MAX_RSA_BYTES: Final = 512
"""The longest RSA signature, of a key of 4096 bits."""
MAX_ECC_BYTES: Final = 66
"""The longest number of an ECC signature, of P-521."""

_RSA_SCHEMES: Final = frozenset({TpmAlg.RSASSA, TpmAlg.RSAPSS})
_ECC_SCHEMES: Final = frozenset({TpmAlg.ECDSA, TpmAlg.ECDAA, TpmAlg.SM2, TpmAlg.ECSCHNORR})


@dataclass(frozen=True, slots=True)
class RsaSignature:
    """TPMS_SIGNATURE_RSA: the scheme (RSASSA, RSAPSS), its hash, the signature's bytes."""

    scheme: int
    hash_algorithm: int
    value: bytes


@dataclass(frozen=True, slots=True)
class EccSignature:
    """TPMS_SIGNATURE_ECC: the scheme (ECDSA and others), its hash, r and s as the TPM wrote them."""

    scheme: int
    hash_algorithm: int
    r: bytes
    s: bytes


def parse_signature(raw: bytes) -> RsaSignature | EccSignature:
    """Return a TPMT_SIGNATURE of an asymmetric scheme; whether it holds is for the key to say.

    Raises TpmStructureError for any other scheme (an HMAC is nobody's word to a third party), bytes cut
    off or left over, and lengths that no key of its kind has.
    """
    reader = Reader(raw, _STRUCTURE)
    scheme = reader.uint16("sigAlg")
    if scheme in _RSA_SCHEMES:
        rsa = RsaSignature(scheme, reader.uint16("hash"), reader.sized("sig", MAX_RSA_BYTES))
        reader.end()
        return rsa
    if scheme in _ECC_SCHEMES:
        ecc = EccSignature(
            scheme,
            reader.uint16("hash"),
            reader.sized("signatureR", MAX_ECC_BYTES),
            reader.sized("signatureS", MAX_ECC_BYTES),
        )
        reader.end()
        return ecc
    raise reader.error(f"{algorithm_name(scheme)} is no asymmetric signature scheme")
