"""TPM2_MakeCredential without a TPM: a secret that only the TPM of an endorsement key opens, beside one other key.

TPM 2.0 Part 1: §11.4.10 (KDFa, KDFe), §24 (credential protection), §B.10.4 (secret sharing by RSA), §C.6.1 (by ECC);
Part 3 §12.6 (TPM2_MakeCredential).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from msgspec import Struct

from schemas.tpm.algorithms import TpmAlg, digest_bytes
from schemas.tpm.wire import sized, uint32
from verifier.endorsement.ek_public import EndorsementPublic

_LABEL: Final = b"IDENTITY\0"
_BLOCK_BYTES: Final = 16
_HASHES: Final[dict[int, tuple[str, hashes.HashAlgorithm]]] = {
    TpmAlg.SHA256: ("sha256", hashes.SHA256()),
    TpmAlg.SHA384: ("sha384", hashes.SHA384()),
}
# Orders of the curves' groups, SP 800-186 §3.2.1.
_ORDERS: Final = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}
# Beyond the order's own, so that no scalar is likelier than another by more than 2^-64 (FIPS 186-5, A.2.1).
_EXTRA_BYTES: Final = 8


class Challenge(Struct, frozen=True):
    """What TPM2_ActivateCredential takes.

    Attributes:
        credential_blob: a TPM2B_ID_OBJECT, its size in front.
        encrypted_secret: a TPM2B_ENCRYPTED_SECRET, its size in front.
    """

    credential_blob: bytes
    encrypted_secret: bytes


def make_credential(
    ek: EndorsementPublic, ak_name: bytes, secret: bytes, *, randomness: Callable[[int], bytes]
) -> Challenge:
    """Return the challenge out of which the TPM of ``ek`` gets ``secret`` only if it holds the key of ``ak_name`` too.

    ``ak_name`` is a Name (its algorithm's number and the digest); ``secret`` has at most the length of the endorsement
    key's hash (32 or 48 bytes); ``randomness`` gives that many bytes that nobody can guess. To an RSA key, the padding
    is OpenSSL's and its randomness too. Raises ValueError for a secret that is empty or too long.
    """
    name, algorithm = _HASHES[ek.area.name_algorithm]
    length = digest_bytes(ek.area.name_algorithm)
    if not 0 < len(secret) <= length:
        raise ValueError(f"a secret for this endorsement key has 1 to {length} bytes")
    if isinstance(ek.vendor, rsa.RSAPublicKey):
        seed = randomness(length)
        encrypted = ek.vendor.encrypt(seed, padding.OAEP(padding.MGF1(algorithm), algorithm, _LABEL))
    else:
        seed, encrypted = _share(name, ek.vendor, randomness)
    cipher_key = kdfa(name, seed, b"STORAGE", ak_name, ek.area.key.symmetric.key_bits or 0)
    identity = _cfb(cipher_key, sized(secret))
    integrity_key = kdfa(name, seed, b"INTEGRITY", b"", 8 * length)
    integrity = hmac.digest(integrity_key, identity + ak_name, name)
    return Challenge(sized(sized(integrity) + identity), sized(encrypted))


def kdfa(hash_name: str, key: bytes, label: bytes, context: bytes, bits: int) -> bytes:
    """Return ``bits`` (whole bytes) of key: SP 800-108 in counter mode with HMAC. Part 1 §11.4.10.2."""
    derived = b""
    counter = 0
    while len(derived) * 8 < bits:
        counter += 1
        derived += hmac.digest(key, uint32(counter) + label + b"\0" + context + uint32(bits), hash_name)
    return derived[: bits // 8]


def kdfe(hash_name: str, shared: bytes, label: bytes, party_u: bytes, party_v: bytes) -> bytes:
    """Return a seed as long as one digest: SP 800-56A's one-step derivation. Part 1 §11.4.10.3.

    ``shared`` and the parties (x of the passing key, x of the receiving one) are as long as the curve's coordinates.
    """
    return hashlib.new(hash_name, uint32(1) + shared + label + party_u + party_v).digest()


def _share(
    hash_name: str, receiver: ec.EllipticCurvePublicKey, randomness: Callable[[int], bytes]
) -> tuple[bytes, bytes]:
    """Return a seed and the point (two TPM2B) from which only the receiver gets it."""
    length = (receiver.curve.key_size + 7) // 8
    scalar = int.from_bytes(randomness(length + _EXTRA_BYTES), "big") % (_ORDERS[receiver.curve.name] - 1) + 1
    passing = ec.derive_private_key(scalar, receiver.curve)
    own, other = passing.public_key().public_numbers(), receiver.public_numbers()
    x, y = (coordinate.to_bytes(length, "big") for coordinate in (own.x, own.y))
    shared = passing.exchange(ec.ECDH(), receiver)
    return kdfe(hash_name, shared, _LABEL, x, other.x.to_bytes(length, "big")), sized(x) + sized(y)


def _cfb(key: bytes, plain: bytes) -> bytes:
    """Return ``plain`` under AES-CFB with whole blocks of feedback and an initial vector of zeros (each key is new)."""
    # Made of single blocks: `cryptography` has moved the mode to where it keeps what nobody should begin to use.
    block = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - the mode around it is CFB
    feedback, out = bytes(_BLOCK_BYTES), b""
    for start in range(0, len(plain), _BLOCK_BYTES):
        mask = block.update(feedback)
        feedback = bytes(a ^ b for a, b in zip(plain[start : start + _BLOCK_BYTES], mask, strict=False))
        out += feedback
    return out
