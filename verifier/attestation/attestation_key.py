"""The attestation key: whether its public area makes it one, and whether a signature is its own.

A restricted signing key signs data from outside only if that does not begin as an attestation does, so a
signature by it over a TPMS_ATTEST is the TPM's word (TPM 2.0 Part 1 §25.2). That holds only for a key that the
TPM made itself and that can never leave it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from did.errors import DidError
from did.jwk import from_cryptography
from did.keys import PublicKey
from schemas import digests
from schemas.tpm.algorithms import (
    KNOWN_ATTRIBUTES,
    TpmAlg,
    TpmaObject,
    TpmEcc,
    algorithm_name,
    curve_name,
)
from schemas.tpm.public import EccKey, Public, RsaKey, Scheme, Symmetric, parse_public
from schemas.tpm.signature import EccSignature, RsaSignature
from verifier.attestation.errors import AttestationKeyError, QuoteAlgorithmError, QuoteSignatureError

_REQUIRED: Final = (
    TpmaObject.FIXED_TPM
    | TpmaObject.FIXED_PARENT
    | TpmaObject.SENSITIVE_DATA_ORIGIN
    | TpmaObject.RESTRICTED
    | TpmaObject.SIGN
)
_FORBIDDEN: Final = TpmaObject.DECRYPT | TpmaObject.ENCRYPTED_DUPLICATION | TpmaObject.X509_SIGN
_HASHES: Final[dict[int, hashes.HashAlgorithm]] = {
    TpmAlg.SHA256: hashes.SHA256(),
    TpmAlg.SHA384: hashes.SHA384(),
    TpmAlg.SHA512: hashes.SHA512(),
}
_ECDSA_HASHES: Final = frozenset({TpmAlg.SHA256, TpmAlg.SHA384})
_CURVES: Final[dict[int, ec.EllipticCurve]] = {
    TpmEcc.NIST_P256: ec.SECP256R1(),
    TpmEcc.NIST_P384: ec.SECP384R1(),
}
_RSA_EXPONENT: Final = 65537
_RSA_BITS: Final = (2048, 3072, 4096)


@dataclass(frozen=True, slots=True)
class AttestationKey:
    """A key whose public area was found to be that of an attestation key. Made by check_attestation_key only."""

    public: Public
    public_key: PublicKey
    """The same key as the rest of the house knows it: JWK, thumbprint."""
    vendor: ec.EllipticCurvePublicKey | rsa.RSAPublicKey = field(compare=False, repr=False)

    @property
    def digest(self) -> str:
        """The digest of the public area: ``ak`` of a window's header, the Name without its algorithm."""
        return digests.encode(self.public.name_digest)

    @property
    def thumbprint_uri(self) -> str:
        """The key id: ``key`` of a window's header, ``signedBy`` of a credential's evidence."""
        return self.public_key.thumbprint_uri

    @property
    def hash_algorithm(self) -> int:
        """The hash that the key signs with, and so the one of a quote's PCR digest (Part 3 §18.4)."""
        return _scheme_hash(self.public.key.scheme)

    def verify(self, message: bytes, signature: RsaSignature | EccSignature) -> None:
        """Return if ``signature`` is this key's over ``message``.

        Raises QuoteAlgorithmError where scheme or hash is not the one that the key is bound to, before any
        arithmetic, and QuoteSignatureError for every signature that does not hold.
        """
        scheme = self.public.key.scheme
        if (signature.scheme, signature.hash_algorithm) != (scheme.algorithm, scheme.hash_algorithm):
            raise QuoteAlgorithmError(
                f"signature: {algorithm_name(signature.scheme)} with {algorithm_name(signature.hash_algorithm)}, where "
                f"the key is bound to {algorithm_name(scheme.algorithm)} with {algorithm_name(self.hash_algorithm)}"
            )
        try:
            if isinstance(self.vendor, rsa.RSAPublicKey) and isinstance(signature, RsaSignature):
                self._verify_rsa(self.vendor, message, signature)
            elif isinstance(self.vendor, ec.EllipticCurvePublicKey) and isinstance(signature, EccSignature):
                self._verify_ecdsa(self.vendor, message, signature)
            else:
                raise QuoteAlgorithmError("signature: it is of another kind than the key")
        except InvalidSignature as error:
            raise QuoteSignatureError(
                "signature: it does not verify over the quote with the attestation key"
            ) from error

    def _verify_rsa(self, vendor: rsa.RSAPublicKey, message: bytes, signature: RsaSignature) -> None:
        length = vendor.key_size // 8
        if len(signature.value) != length:
            raise QuoteSignatureError(f"signature: {len(signature.value)} bytes; this key's signatures have {length}")
        algorithm = _HASHES[self.hash_algorithm]
        if signature.scheme == TpmAlg.RSASSA:
            vendor.verify(signature.value, message, padding.PKCS1v15(), algorithm)
        else:
            # TPMs differ in the salt's length: as long as the digest, or as the key allows (Part 1 §B.7).
            pss = padding.PSS(padding.MGF1(algorithm), padding.PSS.AUTO)
            vendor.verify(signature.value, message, pss, algorithm)

    def _verify_ecdsa(self, vendor: ec.EllipticCurvePublicKey, message: bytes, signature: EccSignature) -> None:
        length = (vendor.curve.key_size + 7) // 8
        r, s = (_coordinate(number, length) for number in (signature.r, signature.s))
        vendor.verify(encode_dss_signature(r, s), message, ec.ECDSA(_HASHES[self.hash_algorithm]))


def check_attestation_key(public: bytes) -> AttestationKey:
    """Return the attestation key in a TPMT_PUBLIC.

    It must be restricted, sign, never have been outside (fixedTPM, fixedParent, sensitiveDataOrigin), not
    decrypt, not sign certificates, have a SHA-256 Name, and be bound to one scheme: ECDSA on P-256 or P-384
    with SHA-256 or SHA-384, RSASSA or RSAPSS of 2048 bits or more with SHA-256, SHA-384 or SHA-512.

    Raises TpmStructureError where the bytes are no public area, AttestationKeyError for any other key. Which
    TPM it is in, this does not say: activation at enrolment does.
    """
    area = parse_public(public)
    _check_attributes(area)
    if area.name_algorithm != TpmAlg.SHA256:
        raise AttestationKeyError(f"ak: nameAlg is {algorithm_name(area.name_algorithm)}; TPM_ALG_SHA256 is required")
    if area.key.symmetric != Symmetric():
        raise AttestationKeyError("ak: a signing key has no symmetric algorithm")
    vendor = _rsa_key(area.key) if isinstance(area.key, RsaKey) else _ecc_key(area.key)
    try:
        return AttestationKey(area, from_cryptography(vendor), vendor)
    except DidError as error:
        # A weak modulus, one of ROCA's among them.
        raise AttestationKeyError(f"ak: {error.detail}") from error


def _check_attributes(area: Public) -> None:
    unknown = area.attributes & ~int(KNOWN_ATTRIBUTES)
    missing = TpmaObject(int(_REQUIRED) & ~area.attributes)
    forbidden = TpmaObject(int(_FORBIDDEN) & area.attributes)
    if missing:
        raise AttestationKeyError(
            f"ak: it is not {_attribute_names(missing)}, so its signatures may not be the TPM's word"
        )
    if forbidden:
        raise AttestationKeyError(f"ak: it is {_attribute_names(forbidden)}, which an attestation key is not")
    if unknown:
        raise AttestationKeyError(f"ak: attributes 0x{unknown:08x} are reserved")


def _attribute_names(attributes: TpmaObject) -> str:
    return ", ".join((attribute.name or "").lower() for attribute in TpmaObject if attribute in attributes)


def _scheme_hash(scheme: Scheme) -> int:
    if scheme.hash_algorithm is None:
        raise AttestationKeyError("ak: it is bound to no scheme; one signature algorithm is required")
    return scheme.hash_algorithm


def _check_scheme(scheme: Scheme, algorithms: tuple[TpmAlg, ...], allowed: frozenset[TpmAlg]) -> None:
    hash_algorithm = _scheme_hash(scheme)
    if scheme.algorithm not in algorithms:
        expected = " or ".join(map(algorithm_name, algorithms))
        raise AttestationKeyError(f"ak: its scheme is {algorithm_name(scheme.algorithm)}; {expected} is required")
    if hash_algorithm not in allowed:
        expected = ", ".join(map(algorithm_name, sorted(allowed)))
        raise AttestationKeyError(f"ak: it signs with {algorithm_name(hash_algorithm)}; one of {expected} is required")


def _rsa_key(key: RsaKey) -> rsa.RSAPublicKey:
    _check_scheme(key.scheme, (TpmAlg.RSASSA, TpmAlg.RSAPSS), frozenset({TpmAlg.SHA256, TpmAlg.SHA384, TpmAlg.SHA512}))
    modulus = int.from_bytes(key.modulus, "big")
    if key.key_bits not in _RSA_BITS or len(key.modulus) * 8 != key.key_bits or modulus.bit_length() != key.key_bits:
        raise AttestationKeyError(
            f"ak: an RSA key has {', '.join(map(str, _RSA_BITS))} bits; this one says {key.key_bits} "
            f"and has {modulus.bit_length()}"
        )
    if key.exponent not in (0, _RSA_EXPONENT):
        raise AttestationKeyError(f"ak: the RSA exponent is {key.exponent}; 65537 (written as 0 too) is required")
    try:
        return rsa.RSAPublicNumbers(_RSA_EXPONENT, modulus).public_key()
    except ValueError as error:
        raise AttestationKeyError("ak: the modulus is none of an RSA key") from error


def _ecc_key(key: EccKey) -> ec.EllipticCurvePublicKey:
    _check_scheme(key.scheme, (TpmAlg.ECDSA,), _ECDSA_HASHES)
    curve = _CURVES.get(key.curve)
    if curve is None:
        raise AttestationKeyError(f"ak: {curve_name(key.curve)}; TPM_ECC_NIST_P256 or TPM_ECC_NIST_P384 is required")
    if key.kdf != Scheme():
        raise AttestationKeyError("ak: a signing key has no key derivation")
    length = (curve.key_size + 7) // 8
    if not 0 < len(key.x) <= length or not 0 < len(key.y) <= length:
        raise AttestationKeyError(f"ak: a coordinate on {curve_name(key.curve)} has {length} bytes")
    x, y = int.from_bytes(key.x, "big"), int.from_bytes(key.y, "big")
    try:
        return ec.EllipticCurvePublicNumbers(x, y, curve).public_key()
    except ValueError as error:
        raise AttestationKeyError(f"ak: the point is not on {curve_name(key.curve)}") from error


def _coordinate(number: bytes, length: int) -> int:
    """Return r or s. Some TPMs leave leading zeros out, so shorter is no fault; zero and longer never are numbers."""
    value = int.from_bytes(number, "big")
    if not 0 < len(number) <= length or value == 0:
        raise QuoteSignatureError(f"signature: r and s are numbers of 1 to {length} bytes and more than zero")
    return value
