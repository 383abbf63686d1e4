import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from did.errors import InvalidKeyError, KeyEncodingError, KeyTooLargeError, SignatureInvalidError
from did.jwk import parse_jwk
from did.keys import PublicKey
from did.strength import check_ed25519, check_rsa
from schemas import base64url

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
SIGN = 1 << 255
ORDER = 2**252 + 27742317777372353535851937790883648493
SMALL_ORDER_Y = [
    0,
    1,
    P - 1,
    int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
]
SOUND_MODULUS = (1 << 2047) + 2**1000 + 3


def encoded(y: int, *, sign: bool = False) -> bytes:
    return (y | (SIGN if sign else 0)).to_bytes(32, "little")


def doubled_y(y: int) -> int:
    """y of twice a point of edwards25519, from y alone: x² follows from the curve's equation."""
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    return (y * y + x2) * pow(1 - D * x2 * y * y, -1, P) % P


@pytest.mark.parametrize("y", SMALL_ORDER_Y)
def test_the_refused_points_are_those_whose_eightfold_is_the_identity(y: int) -> None:
    assert doubled_y(doubled_y(doubled_y(y))) == 1


@pytest.mark.parametrize("sign", [False, True])
@pytest.mark.parametrize("y", SMALL_ORDER_Y)
def test_an_ed25519_point_of_small_order_is_refused(y: int, *, sign: bool) -> None:
    with pytest.raises(InvalidKeyError, match="small order"):
        check_ed25519(encoded(y, sign=sign))


@pytest.mark.parametrize("y", [P, P + 1, 2**255 - 1])
def test_an_ed25519_point_in_another_spelling_is_refused(y: int) -> None:
    with pytest.raises(KeyEncodingError, match="canonical"):
        check_ed25519(encoded(y))


def test_bytes_that_are_no_ed25519_point_are_refused() -> None:
    with pytest.raises(KeyEncodingError, match="no point"):
        check_ed25519(encoded(2))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_an_ed25519_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(KeyEncodingError, match="32 bytes"):
        check_ed25519(bytes(length))


@settings(max_examples=20, deadline=None)
@given(st.binary(min_size=32, max_size=32))
def test_the_point_of_every_ed25519_secret_passes(seed: bytes) -> None:
    check_ed25519(ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())


def scalar(seed: bytes) -> int:
    raw = bytearray(hashlib.sha512(seed).digest()[:32])
    raw[0], raw[31] = raw[0] & 0xF8, raw[31] & 0x7F | 0x40
    return int.from_bytes(raw, "little")


def point(seed: bytes) -> bytes:
    return ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def signed_with_a_mixed_key(message: bytes) -> tuple[bytes, list[tuple[bool, bytes]]]:
    """Return a key of order 2L, the sum of a sound one and the point of order 2, and eight tries to sign with it.

    Each try with whether the part of order 2 falls out of the verification: where the hash is even.
    """
    secret = bytes(32)
    # (x, y) + (0, -1) = (-x, -y)
    honest = int.from_bytes(point(secret), "little")
    mixed = encoded(P - (honest & (SIGN - 1)), sign=not honest & SIGN)
    tries = []
    for number in range(8):
        nonce = number.to_bytes(32, "big")
        start = point(nonce)
        hashed = int.from_bytes(hashlib.sha512(start + mixed + message).digest(), "little") % ORDER
        s = (scalar(nonce) + hashed * scalar(secret)) % ORDER
        tries.append((hashed % 2 == 0, start + s.to_bytes(32, "little")))
    return mixed, tries


def test_a_key_with_a_part_of_small_order_verifies_only_what_its_holder_signed() -> None:
    mixed, tries = signed_with_a_mixed_key(b"message")
    key = parse_jwk({"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(mixed)})
    assert {even for even, _ in tries} == {True, False}
    for even, signature in tries:
        assert holds(key, b"message", signature) is even
        assert not holds(key, b"another", signature)
        assert not holds(key, b"message", signature[:32] + bytes(32))


def holds(key: PublicKey, message: bytes, signature: bytes) -> bool:
    try:
        key.verify(message, signature, "EdDSA")
    except SignatureInvalidError:
        return False
    return True


def test_a_sound_rsa_key_passes() -> None:
    check_rsa(SOUND_MODULUS, 65537)


@pytest.mark.parametrize("bits", [512, 1024, 2047])
def test_an_rsa_key_below_2048_bits_is_refused(bits: int) -> None:
    with pytest.raises(InvalidKeyError, match="at least 2048") as caught:
        check_rsa((1 << bits) - 1, 65537)
    assert caught.value.name == "CRYPTOGRAPHIC_SECURITY_ERROR"


@pytest.mark.parametrize("bits", [4097, 16384])
def test_an_rsa_key_above_4096_bits_exceeds_a_limit(bits: int) -> None:
    with pytest.raises(KeyTooLargeError) as caught:
        check_rsa((1 << bits) - 1, 65537)
    assert caught.value.name == "RESOURCE_LIMIT"


def test_an_rsa_exponent_above_32_bits_exceeds_a_limit() -> None:
    with pytest.raises(KeyTooLargeError, match="exponent"):
        check_rsa(SOUND_MODULUS, 2**32 + 1)


@pytest.mark.parametrize("exponent", [0, 1, 2, 65536])
def test_a_tiny_or_even_rsa_exponent_is_refused(exponent: int) -> None:
    with pytest.raises(InvalidKeyError, match="odd"):
        check_rsa(SOUND_MODULUS, exponent)


def test_an_even_rsa_modulus_is_refused() -> None:
    with pytest.raises(InvalidKeyError, match="even"):
        check_rsa(SOUND_MODULUS - 1, 65537)


def test_an_rsa_modulus_made_of_powers_of_65537_is_refused() -> None:
    # The structure of ROCA: modulo the product of small primes, the modulus is a power of 65537.
    product = 1
    for prime in (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157):
        product *= prime
    modulus = pow(65537, 12345, product) + product * ((1 << 2048) // product)
    with pytest.raises(InvalidKeyError, match="ROCA"):
        check_rsa(modulus | 1 if modulus % 2 else modulus + product, 65537)
