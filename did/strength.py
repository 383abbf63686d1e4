"""Numbers that make a key unsafe: weak RSA moduli, Ed25519 points of small order or doubtful spelling."""

from __future__ import annotations

from typing import Final

from did.errors import InvalidKeyError, KeyEncodingError, KeyTooLargeError

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 4096
MAX_RSA_EXPONENT: Final = 2**32
_MIN_RSA_EXPONENT: Final = 3

# RSALib of Infineon, also in TPMs, makes primes from powers of 65537 (ROCA, CVE-2017-15361). Then the
# modulus lies in the group that 65537 generates, modulo each of these primes. A sound modulus passes
# all of them by chance once in 2^27.
_ROCA_PRIMES: Final = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
_ROCA_GENERATOR: Final = 65537

_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_POINT_BYTES: Final = 32
_SIGN_BIT: Final = 1 << 255
_ORDER_8_Y: Final = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
# y of the eight points whose order divides 8; a key among them "verifies" any message.
_SMALL_ORDER_Y: Final = frozenset({0, 1, _P - 1, _ORDER_8_Y, _P - _ORDER_8_Y})


def _powers(generator: int, prime: int) -> frozenset[int]:
    members = {1}
    power = generator % prime
    while power not in members:
        members.add(power)
        power = power * generator % prime
    return frozenset(members)


_ROCA_GROUPS: Final = tuple((prime, _powers(_ROCA_GENERATOR, prime)) for prime in _ROCA_PRIMES)


def check_rsa(modulus: int, exponent: int) -> None:
    """Return if an RSA public key is one to trust.

    Raises InvalidKeyError below 2048 bits, for an even or tiny exponent, an even modulus and a
    ROCA modulus; KeyTooLargeError above 4096 bits or an exponent above 2^32, where one verification
    is a denial of service (attack VP037).
    """
    bits = modulus.bit_length()
    if bits > MAX_RSA_BITS:
        raise KeyTooLargeError(f"an RSA key has at most {MAX_RSA_BITS} bits; this one has {bits}")
    if exponent > MAX_RSA_EXPONENT:
        raise KeyTooLargeError("the RSA exponent is above 2^32; 65537 is usual")
    if bits < MIN_RSA_BITS:
        raise InvalidKeyError(f"an RSA key has at least {MIN_RSA_BITS} bits; this one has {bits}")
    if exponent < _MIN_RSA_EXPONENT or exponent % 2 == 0:
        raise InvalidKeyError("the RSA exponent must be odd and at least 3; 65537 is usual")
    if modulus % 2 == 0:
        raise InvalidKeyError("the RSA modulus is even")
    if all(modulus % prime in group for prime, group in _ROCA_GROUPS):
        raise InvalidKeyError("the RSA modulus has the fingerprint of ROCA (CVE-2017-15361): its primes can be found")


def check_ed25519(point: bytes) -> None:
    """Return if 32 bytes are the canonical spelling of a point of large order (RFC 8032 §5.1.3).

    A point of large order with a part of small order in it passes. Only who knows its secret signs with it, and
    OpenSSL verifies without the cofactor (§5.1.7): what it accepts, every other reader of RFC 8032 accepts. To tell
    such a point takes a multiplication in Python, some milliseconds for each key of a stranger's document.

    Raises KeyEncodingError for another length, y >= p, or bytes that are no point; InvalidKeyError
    for the points of small order.
    """
    if len(point) != _POINT_BYTES:
        raise KeyEncodingError(f"an Ed25519 key has 32 bytes; this one has {len(point)}")
    y = int.from_bytes(point, "little") & (_SIGN_BIT - 1)
    if y >= _P:
        raise KeyEncodingError("the Ed25519 key is not in its canonical spelling (y >= p)")
    if y in _SMALL_ORDER_Y:
        raise InvalidKeyError("the Ed25519 key is a point of small order, for which any signature holds")
    if not _is_square((y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P):
        raise KeyEncodingError("the Ed25519 key is no point of the curve")


def _is_square(value: int) -> bool:
    return pow(value, (_P - 1) // 2, _P) in {0, 1}
