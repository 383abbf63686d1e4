"""Multikey: a public key in one multibase string (W3C Controlled Identifiers 1.0 §2.2.2; did:key).

``z`` + base58btc of the multicodec prefix and the key: P-256 and P-384 as compressed points, Ed25519
as its 32 bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from did import base58, strength
from did.algorithms import VendorPublicKey
from did.errors import InvalidKeyError, KeyEncodingError, UnsupportedKeyError
from did.jwk import from_cryptography
from did.keys import PublicKey

_MAX_CHARACTERS: Final = 128


class _Codec(NamedTuple):
    crv: str
    prefix: bytes
    """The multicodec as an unsigned varint: 0x1200 P-256, 0x1201 P-384, 0xed Ed25519."""
    key_bytes: int
    load: Callable[[bytes], VendorPublicKey]


def _point(curve: ec.EllipticCurve) -> Callable[[bytes], VendorPublicKey]:
    return lambda value: ec.EllipticCurvePublicKey.from_encoded_point(curve, value)


_CODECS: Final = (
    _Codec("P-256", b"\x80\x24", 33, _point(ec.SECP256R1())),
    _Codec("P-384", b"\x81\x24", 49, _point(ec.SECP384R1())),
    _Codec("Ed25519", b"\xed\x01", 32, ed25519.Ed25519PublicKey.from_public_bytes),
)
# Named, so that the reader learns what the key is and not only that it is none of ours.
_FOREIGN: Final = {
    b"\xe7\x01": "secp256k1",
    b"\xec\x01": "X25519",
    b"\x82\x24": "P-521",
    b"\x85\x24": "RSA",
    b"\x83\x24": "Ed448",
    b"\xeb\x01": "BLS12-381 G2",
    b"\xea\x01": "BLS12-381 G1",
    b"\xd1\xd6\x03": "JWK",
}


def encode(key: PublicKey) -> str:
    """Return the multikey of a P-256, P-384 or Ed25519 key. Raises UnsupportedKeyError for RSA."""
    for codec in _CODECS:
        if codec.crv == key.crv:
            return "z" + base58.encode(codec.prefix + key.encoded_point())
    raise UnsupportedKeyError(f"a key of kty {key.kty} has no multikey; publish it as a JWK")


def decode(text: str) -> PublicKey:
    """Return the key of a multikey.

    Raises KeyEncodingError for another base or length, UnsupportedKeyError for other codecs
    (secp256k1, X25519, …), InvalidKeyError for points off the curve or of small order.
    """
    if len(text) > _MAX_CHARACTERS:
        raise KeyEncodingError(f"a multikey has at most {_MAX_CHARACTERS} characters")
    if not text.startswith("z"):
        raise KeyEncodingError('a multikey starts with "z" (base58btc)')
    value = base58.decode(text[1:])
    for codec in _CODECS:
        if value.startswith(codec.prefix):
            return _load(codec, value[len(codec.prefix) :])
    name = next((name for prefix, name in _FOREIGN.items() if value.startswith(prefix)), "this multicodec")
    raise UnsupportedKeyError(f"a multikey of {name} is not supported; use P-256, P-384 or Ed25519")


def _load(codec: _Codec, value: bytes) -> PublicKey:
    if len(value) != codec.key_bytes:
        raise KeyEncodingError(f"a {codec.crv} multikey holds {codec.key_bytes} bytes of key; this one {len(value)}")
    if codec.crv == "Ed25519":
        strength.check_ed25519(value)
    try:
        return from_cryptography(codec.load(value))
    except ValueError as error:
        raise InvalidKeyError(f"the multikey is no point of {codec.crv}") from error
