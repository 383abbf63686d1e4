"""The endorsement key's public area: whether it is made as the TCG's profile makes one, and is strong.

A restricted decryption key that is fixed to its TPM opens nothing but what a TPM may open for it: so what was encrypted
to it, together with the Name of another key, comes out only where that other key is too (TPM 2.0 Part 1 §24).
Weak moduli are told by did.strength: those below 2048 bits, and those of ROCA, whose primes come from a small group
(M. Nemec, M. Sys, P. Svenda, D. Klinec, V. Matyas: "The Return of Coppersmith's Attack", ACM CCS 2017, §4).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from did import strength
from did.errors import DidError
from schemas import digests
from schemas.tpm.algorithms import TpmaObject, TpmEcc, curve_name
from schemas.tpm.ek_templates import EK_AREAS, HIGH, LOW
from schemas.tpm.public import EccKey, Public, RsaKey, parse_public
from verifier.endorsement.errors import EkKeyWeakError, EkRefusedError

RSA_EXPONENT: Final = 65537

_NAMES: Final = {template: name for name, template in EK_AREAS.items()}

_CURVES: Final[dict[int, ec.EllipticCurve]] = {
    TpmEcc.NIST_P256: ec.SECP256R1(),
    TpmEcc.NIST_P384: ec.SECP384R1(),
}


@dataclass(frozen=True, slots=True)
class EndorsementPublic:
    """An endorsement key that is made as the profile says. Made by check_ek_public only.

    Attributes:
        area: its public area.
        template: the profile's name of what it was made from, such as ``L-1``.
        vendor: the same key as `cryptography` knows it.
    """

    area: Public
    template: str
    vendor: ec.EllipticCurvePublicKey | rsa.RSAPublicKey = field(compare=False, repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the public area (a TPMT_PUBLIC) as multibase text: ``hardwareId`` of a credential."""
        return digests.digest(self.area.encode())


def check_ek_public(public: bytes) -> EndorsementPublic:
    """Return the endorsement key in a TPMT_PUBLIC.

    It must have exactly the attributes, policy, hash and parameters of a template of the TCG's EK Credential Profile:
    RSA of 2048 (L-1, H-1) or 3072 bits (H-6), P-256 (L-2, H-2), P-384 (H-3).

    Raises TpmStructureError where the bytes are no public area, EkRefusedError for any other key, EkKeyWeakError.
    """
    area = parse_public(public)
    name = _NAMES.get(_template_of(area))
    if name is None:
        raise EkRefusedError(_unlike(area))
    return EndorsementPublic(area, name, _rsa(area.key) if isinstance(area.key, RsaKey) else _ecc(area.key))


def _template_of(area: Public) -> Public:
    if isinstance(area.key, RsaKey):
        # 65537 has two spellings.
        exponent = 0 if area.key.exponent == RSA_EXPONENT else area.key.exponent
        return replace(area, key=replace(area.key, modulus=b"", exponent=exponent))
    return replace(area, key=replace(area.key, x=b"", y=b""))


def _unlike(area: Public) -> str:
    """Return in what the key differs from the templates: first its attributes, which matter most."""
    if area.attributes not in (LOW, HIGH):
        missing = TpmaObject(int(LOW) & ~area.attributes)
        extra = area.attributes & ~int(HIGH)
        words = [f"it is not {_words(missing)}"] if missing else []
        words += [f"it has attributes 0x{extra:08x} beyond"] if extra else []
        return f"ek: {' and '.join(words)}; an endorsement key has exactly the attributes of the TCG's profile"
    return (
        "ek: it is made from none of the templates L-1, L-2, H-1, H-2, H-3, H-6 of the TCG's EK Credential Profile: "
        "its hash, policy, size or curve, or symmetric algorithm is another"
    )


def _words(attributes: TpmaObject) -> str:
    return ", ".join((attribute.name or "").lower() for attribute in TpmaObject if attribute in attributes)


def _rsa(key: RsaKey) -> rsa.RSAPublicKey:
    modulus = int.from_bytes(key.modulus, "big")
    if len(key.modulus) * 8 != key.key_bits or modulus.bit_length() != key.key_bits:
        raise EkKeyWeakError(f"ek: it says that it has {key.key_bits} bits, and has {modulus.bit_length()}")
    try:
        strength.check_rsa(modulus, RSA_EXPONENT)
        return rsa.RSAPublicNumbers(RSA_EXPONENT, modulus).public_key()
    except DidError as error:
        raise EkKeyWeakError(f"ek: {error.detail}") from error
    except ValueError as error:
        raise EkKeyWeakError("ek: the modulus is none of an RSA key") from error


def _ecc(key: EccKey) -> ec.EllipticCurvePublicKey:
    curve = _CURVES[key.curve]
    length = (curve.key_size + 7) // 8
    if not 0 < len(key.x) <= length or not 0 < len(key.y) <= length:
        raise EkRefusedError(f"ek: a coordinate on {curve_name(key.curve)} has {length} bytes")
    x, y = int.from_bytes(key.x, "big"), int.from_bytes(key.y, "big")
    try:
        return ec.EllipticCurvePublicNumbers(x, y, curve).public_key()
    except ValueError as error:
        raise EkRefusedError(f"ek: the point is not on {curve_name(key.curve)}") from error
