"""TPM2_MakeCredential without a TPM, for tests: what an issuer does to learn that one TPM holds an EK and an AK.

TPM 2.0 Part 1, 11.4.10 (KDFa, KDFe), 24 (credentials), B.10.4 (RSA secret sharing), C.6.1 (ECC).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from schemas.tpm.algorithms import TpmAlg
from schemas.tpm.public import Public
from schemas.tpm.wire import sized, uint32
from tests.fakes.tpm import vendor_key

_HASHES = {TpmAlg.SHA256: ("sha256", hashes.SHA256()), TpmAlg.SHA384: ("sha384", hashes.SHA384())}


def make_credential(ek: Public, ak_name: bytes, secret: bytes) -> tuple[bytes, bytes]:
    """Return TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET, each with its size in front."""
    name, algorithm = _HASHES[ek.name_algorithm]
    key = vendor_key(ek)
    if isinstance(key, rsa.RSAPublicKey):
        seed = secrets.token_bytes(algorithm.digest_size)
        encrypted = key.encrypt(seed, padding.OAEP(padding.MGF1(algorithm), algorithm, b"IDENTITY\0"))
    else:
        seed, encrypted = _shared_seed(name, key)
    size = algorithm.digest_size * 8
    cipher_key = _kdfa(name, seed, b"STORAGE", ak_name, ek.key.symmetric.key_bits)
    identity = _cfb(cipher_key, sized(secret))
    integrity_key = _kdfa(name, seed, b"INTEGRITY", b"", size)
    integrity = hmac.digest(integrity_key, identity + ak_name, name)
    return sized(sized(integrity) + identity), sized(encrypted)


def _shared_seed(name, key):
    ephemeral = ec.generate_private_key(key.curve)
    length = (key.curve.key_size + 7) // 8
    own, other = ephemeral.public_key().public_numbers(), key.public_numbers()
    x, y = own.x.to_bytes(length, "big"), own.y.to_bytes(length, "big")
    shared = ephemeral.exchange(ec.ECDH(), key)
    return _kdfe(name, shared, x, other.x.to_bytes(length, "big")), sized(x) + sized(y)


def _kdfa(name, key, label, context, bits):
    blocks = b""
    while len(blocks) * 8 < bits:
        counter = uint32(len(blocks) // hashlib.new(name).digest_size + 1)
        blocks += hmac.digest(key, counter + label + b"\0" + context + uint32(bits), name)
    return blocks[: bits // 8]


def _kdfe(name, shared, own_x, other_x):
    # A seed is as long as one digest, so one round is enough.
    return hashlib.new(name, uint32(1) + shared + b"IDENTITY\0" + own_x + other_x).digest()


def _cfb(key, plain):
    # AES-CFB with 128-bit segments and a zero IV, made of single blocks: the mode has left cryptography's main room.
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    previous, out = bytes(16), b""
    for start in range(0, len(plain), 16):
        block = plain[start : start + 16]
        mixed = bytes(a ^ b for a, b in zip(block, encryptor.update(previous), strict=False))
        out += mixed
        previous = mixed.ljust(16, b"\0")
    return out


def activate_credential(
    ek: Public, private: ec.EllipticCurvePrivateKey, ak_name: bytes, blob: bytes, encrypted: bytes
) -> bytes:
    """Return the secret as TPM2_ActivateCredential would, of an ECC endorsement key; both parts with their sizes."""
    name, algorithm = _HASHES[ek.name_algorithm]
    length = (private.key_size + 7) // 8
    x, y = encrypted[4 : 4 + length], encrypted[-length:]
    passing = ec.EllipticCurvePublicKey.from_encoded_point(private.curve, b"\x04" + x + y)
    own = private.public_key().public_numbers().x.to_bytes(length, "big")
    seed = _kdfe(name, private.exchange(ec.ECDH(), passing), x, own)
    integrity, identity = blob[4 : 4 + algorithm.digest_size], blob[4 + algorithm.digest_size :]
    integrity_key = _kdfa(name, seed, b"INTEGRITY", b"", algorithm.digest_size * 8)
    if integrity != hmac.digest(integrity_key, identity + ak_name, name):
        raise ValueError("the TPM would answer TPM_RC_INTEGRITY")
    key = _kdfa(name, seed, b"STORAGE", ak_name, ek.key.symmetric.key_bits)
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    plain, previous = b"", bytes(16)
    for start in range(0, len(identity), 16):
        block = identity[start : start + 16]
        plain += bytes(a ^ b for a, b in zip(block, encryptor.update(previous), strict=False))
        previous = block.ljust(16, b"\0")
    return plain[2:]
