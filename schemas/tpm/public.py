"""TPMT_PUBLIC: the public area of an RSA or ECC key, read and written (TPM 2.0 Part 2 §12.2.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.tpm import algorithms, wire
from schemas.tpm.algorithms import MAX_DIGEST_BYTES, TpmAlg, algorithm_name
from schemas.tpm.signature import MAX_ECC_BYTES, MAX_RSA_BYTES
from schemas.tpm.wire import Reader

_STRUCTURE: Final = "TPMT_PUBLIC"

# Which schemes carry a hash after their number, of an RSA key, an ECC key, a key derivation (Part 2 §11.2).
_RSA_HASH_SCHEMES: Final = frozenset({TpmAlg.RSASSA, TpmAlg.RSAPSS, TpmAlg.OAEP})
_ECC_HASH_SCHEMES: Final = frozenset({TpmAlg.ECDSA, TpmAlg.ECDH, TpmAlg.SM2, TpmAlg.ECSCHNORR, TpmAlg.ECMQV})
_KDF_SCHEMES: Final = frozenset({TpmAlg.MGF1, TpmAlg.KDF1_SP800_56A, TpmAlg.KDF2, TpmAlg.KDF1_SP800_108})
_SYMMETRIC: Final = frozenset({TpmAlg.AES, TpmAlg.SM4, TpmAlg.CAMELLIA})


@dataclass(frozen=True, slots=True)
class Scheme:
    """TPMT_RSA_SCHEME, TPMT_ECC_SCHEME or TPMT_KDF_SCHEME; a hash and, for ECDAA, a count where the scheme has them."""

    algorithm: int = TpmAlg.NULL
    hash_algorithm: int | None = None
    count: int | None = None

    def encode(self) -> bytes:
        """Return the scheme's bytes."""
        return b"".join(
            wire.uint16(number) for number in (self.algorithm, self.hash_algorithm, self.count) if number is not None
        )


@dataclass(frozen=True, slots=True)
class Symmetric:
    """TPMT_SYM_DEF_OBJECT: by what a storage key protects its children; TPM_ALG_NULL for a signing key."""

    algorithm: int = TpmAlg.NULL
    key_bits: int | None = None
    mode: int | None = None

    def encode(self) -> bytes:
        """Return its bytes."""
        return b"".join(
            wire.uint16(number) for number in (self.algorithm, self.key_bits, self.mode) if number is not None
        )


@dataclass(frozen=True, slots=True)
class RsaKey:
    """TPMS_RSA_PARMS and the modulus. ``exponent`` 0 means 65537; the modulus is empty or zero in a template."""

    symmetric: Symmetric
    scheme: Scheme
    key_bits: int
    exponent: int
    modulus: bytes

    def encode_parameters(self) -> bytes:
        """Return the bytes of TPMS_RSA_PARMS."""
        return self.symmetric.encode() + self.scheme.encode() + wire.uint16(self.key_bits) + wire.uint32(self.exponent)

    def encode_unique(self) -> bytes:
        """Return the bytes of TPM2B_PUBLIC_KEY_RSA."""
        return wire.sized(self.modulus)


@dataclass(frozen=True, slots=True)
class EccKey:
    """TPMS_ECC_PARMS and the point. In a template the coordinates are empty, zero, or what makes the key another."""

    symmetric: Symmetric
    scheme: Scheme
    curve: int
    kdf: Scheme
    x: bytes
    y: bytes

    def encode_parameters(self) -> bytes:
        """Return the bytes of TPMS_ECC_PARMS."""
        return self.symmetric.encode() + self.scheme.encode() + wire.uint16(self.curve) + self.kdf.encode()

    def encode_unique(self) -> bytes:
        """Return the bytes of TPMS_ECC_POINT."""
        return wire.sized(self.x) + wire.sized(self.y)


@dataclass(frozen=True, slots=True)
class Public:
    """TPMT_PUBLIC of an RSA or ECC key: how its Name is made, what it may do, its policy, the key itself."""

    name_algorithm: int
    attributes: int
    auth_policy: bytes
    key: RsaKey | EccKey

    def encode(self) -> bytes:
        """Return the bytes, without a TPM2B's size before them: exactly those that parse_public read."""
        kind = TpmAlg.RSA if isinstance(self.key, RsaKey) else TpmAlg.ECC
        return b"".join(
            (
                wire.uint16(kind),
                wire.uint16(self.name_algorithm),
                wire.uint32(self.attributes),
                wire.sized(self.auth_policy),
                self.key.encode_parameters(),
                self.key.encode_unique(),
            )
        )

    @property
    def name_digest(self) -> bytes:
        """The digest of the public area by its nameAlg. Raises TpmStructureError where that is no known hash."""
        return algorithms.digest(self.name_algorithm, self.encode())

    @property
    def name(self) -> bytes:
        """The Name: nameAlg || digest (Part 1 §16). Raises as name_digest."""
        return wire.uint16(self.name_algorithm) + self.name_digest


def parse_public(raw: bytes) -> Public:
    """Return the public area of an RSA or ECC key, read from a TPMT_PUBLIC (no TPM2B's size before it).

    What the key may be used for is judged elsewhere. Raises TpmStructureError for other types, algorithms
    that may not stand in their place, bytes cut off or left over.
    """
    reader = Reader(raw, _STRUCTURE)
    kind = reader.uint16("type")
    name_algorithm = reader.uint16("nameAlg")
    if not algorithms.is_hash(name_algorithm):
        raise reader.error(f"nameAlg {algorithm_name(name_algorithm)} is no hash that is computed here")
    attributes = reader.uint32("objectAttributes")
    auth_policy = reader.sized("authPolicy", MAX_DIGEST_BYTES)
    if kind == TpmAlg.RSA:
        public = Public(name_algorithm, attributes, auth_policy, _rsa(reader))
    elif kind == TpmAlg.ECC:
        public = Public(name_algorithm, attributes, auth_policy, _ecc(reader))
    else:
        raise reader.error(f"type {algorithm_name(kind)}; TPM_ALG_RSA and TPM_ALG_ECC are read")
    reader.end()
    return public


def _rsa(reader: Reader) -> RsaKey:
    return RsaKey(
        symmetric=_symmetric(reader),
        scheme=_rsa_scheme(reader),
        key_bits=reader.uint16("keyBits"),
        exponent=reader.uint32("exponent"),
        modulus=reader.sized("unique", MAX_RSA_BYTES),
    )


def _ecc(reader: Reader) -> EccKey:
    return EccKey(
        symmetric=_symmetric(reader),
        scheme=_ecc_scheme(reader),
        curve=reader.uint16("curveID"),
        kdf=_kdf(reader),
        x=reader.sized("unique.x", MAX_ECC_BYTES),
        y=reader.sized("unique.y", MAX_ECC_BYTES),
    )


def _symmetric(reader: Reader) -> Symmetric:
    algorithm = reader.uint16("symmetric")
    if algorithm == TpmAlg.NULL:
        return Symmetric()
    if algorithm not in _SYMMETRIC:
        raise reader.error(f"symmetric: {algorithm_name(algorithm)} is no block cipher")
    return Symmetric(algorithm, reader.uint16("symmetric.keyBits"), reader.uint16("symmetric.mode"))


def _rsa_scheme(reader: Reader) -> Scheme:
    algorithm = reader.uint16("scheme")
    if algorithm in (TpmAlg.NULL, TpmAlg.RSAES):
        return Scheme(algorithm)
    if algorithm not in _RSA_HASH_SCHEMES:
        raise reader.error(f"scheme: {algorithm_name(algorithm)} is none of an RSA key")
    return Scheme(algorithm, reader.uint16("scheme.hashAlg"))


def _ecc_scheme(reader: Reader) -> Scheme:
    algorithm = reader.uint16("scheme")
    if algorithm == TpmAlg.NULL:
        return Scheme()
    if algorithm == TpmAlg.ECDAA:
        return Scheme(algorithm, reader.uint16("scheme.hashAlg"), reader.uint16("scheme.count"))
    if algorithm not in _ECC_HASH_SCHEMES:
        raise reader.error(f"scheme: {algorithm_name(algorithm)} is none of an ECC key")
    return Scheme(algorithm, reader.uint16("scheme.hashAlg"))


def _kdf(reader: Reader) -> Scheme:
    algorithm = reader.uint16("kdf")
    if algorithm == TpmAlg.NULL:
        return Scheme()
    if algorithm not in _KDF_SCHEMES:
        raise reader.error(f"kdf: {algorithm_name(algorithm)} is no key derivation")
    return Scheme(algorithm, reader.uint16("kdf.hashAlg"))
