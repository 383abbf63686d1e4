import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from hypothesis import given, settings
from hypothesis import strategies as st

from did.algorithms import ALGORITHMS, Algorithm
from did.errors import (
    InvalidKeyError,
    KeyEncodingError,
    KeyTooLargeError,
    PrivateKeyPublishedError,
    UnsupportedKeyError,
)
from did.jwk import from_cryptography, parse_jwk, secret_members
from schemas import base64url
from tests.fakes.did import fresh_signers, public_key
from tests.vectors import SHARED, shared

KEYS = "vectors/jws-test-suite/keys"
P256_PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1


def jwk_of(algorithm: Algorithm) -> dict:
    return {**public_key(algorithm).jwk}


def rsa_jwk(modulus: int, exponent: int) -> dict:
    def number(value: int) -> str:
        return base64url.encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))

    return {"kty": "RSA", "n": number(modulus), "e": number(exponent)}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_public_jwk_gives_back_its_key(algorithm: Algorithm) -> None:
    assert parse_jwk(jwk_of(algorithm)) == public_key(algorithm)


@settings(max_examples=20, deadline=None)
@given(fresh_signers())
def test_every_new_key_survives_the_round_trip(fresh) -> None:
    jwk = fresh.public_key.jwk
    assert parse_jwk({**jwk}) == from_cryptography(fresh.public_key.vendor) == fresh.public_key
    assert parse_jwk({**jwk}).jwk == jwk


@pytest.mark.parametrize("private", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "PS256"])
def test_a_private_member_burns_the_key(algorithm: Algorithm, private: str) -> None:
    with pytest.raises(PrivateKeyPublishedError, match=private) as caught:
        parse_jwk({**jwk_of(algorithm), private: "AA"})
    assert caught.value.name == "CRYPTOGRAPHIC_SECURITY_ERROR"


def test_a_symmetric_key_is_refused() -> None:
    with pytest.raises(PrivateKeyPublishedError):
        parse_jwk({"kty": "oct", "k": "AAAA"})


def test_a_symmetric_key_without_its_value_is_refused_too() -> None:
    with pytest.raises(PrivateKeyPublishedError):
        parse_jwk({"kty": "oct"})


def test_secret_members_are_named() -> None:
    assert secret_members({"kty": "EC", "d": "AA", "x": "AA"}) == ["d"]
    assert secret_members(jwk_of("ES256")) == []


def test_secp256k1_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedKeyError, match="secp256k1"):
        parse_jwk({**jwk_of("ES256"), "crv": "secp256k1"})


@pytest.mark.parametrize(
    ("algorithm", "crv"),
    [("ES256", "P-521"), ("ES256", "Ed25519"), ("EdDSA", "X25519"), ("EdDSA", "Ed448"), ("EdDSA", "P-256")],
)
def test_a_curve_that_is_not_offered_is_refused_by_name(algorithm: Algorithm, crv: str) -> None:
    with pytest.raises(UnsupportedKeyError, match=crv):
        parse_jwk({**jwk_of(algorithm), "crv": crv})


@pytest.mark.parametrize("kty", ["AKP", "ec", "", "X"])
def test_an_unknown_kind_of_key_is_refused(kty: str) -> None:
    with pytest.raises(UnsupportedKeyError):
        parse_jwk({**jwk_of("ES256"), "kty": kty})


@pytest.mark.parametrize("member", ["x5c", "x5u", "x5t", "ext", "nbf", "y2"])
def test_a_member_that_we_do_not_read_is_refused(member: str) -> None:
    with pytest.raises(UnsupportedKeyError, match=member):
        parse_jwk({**jwk_of("ES256"), member: "x"})


def test_a_member_of_another_kind_of_key_is_refused() -> None:
    with pytest.raises(UnsupportedKeyError, match="y"):
        parse_jwk({**jwk_of("EdDSA"), "y": "AA"})


@pytest.mark.parametrize(
    ("algorithm", "member"),
    [
        ("ES256", "x"),
        ("ES256", "y"),
        ("ES256", "crv"),
        ("ES256", "kty"),
        ("EdDSA", "x"),
        ("PS256", "n"),
        ("PS256", "e"),
    ],
)
def test_a_missing_member_is_refused(algorithm: Algorithm, member: str) -> None:
    jwk = jwk_of(algorithm)
    del jwk[member]
    with pytest.raises(KeyEncodingError, match=member):
        parse_jwk(jwk)


@pytest.mark.parametrize("value", [None, 1, True, ["AQAB"], {"x": 1}])
@pytest.mark.parametrize(("algorithm", "member"), [("ES256", "x"), ("ES256", "crv"), ("ES256", "kty"), ("PS256", "e")])
def test_a_member_that_is_no_text_is_refused(algorithm: Algorithm, member: str, value) -> None:
    with pytest.raises(KeyEncodingError):
        parse_jwk({**jwk_of(algorithm), member: value})


@pytest.mark.parametrize(
    "change", [lambda raw: raw[1:], lambda raw: b"\x00" + raw, lambda raw: raw + b"\x00", lambda raw: b""]
)
@pytest.mark.parametrize(("algorithm", "member"), [("ES256", "x"), ("ES256", "y"), ("ES384", "x"), ("EdDSA", "x")])
def test_a_coordinate_of_another_length_is_refused(algorithm: Algorithm, member: str, change) -> None:
    jwk = jwk_of(algorithm)
    jwk[member] = base64url.encode(change(base64url.decode(jwk[member])))
    with pytest.raises(KeyEncodingError, match="exactly"):
        parse_jwk(jwk)


@pytest.mark.parametrize(
    "change",
    [lambda text: text + "=", lambda text: text[:-1] + " ", lambda text: "+" + text[1:], lambda text: text + "\n"],
)
@pytest.mark.parametrize(("algorithm", "member"), [("ES256", "x"), ("EdDSA", "x"), ("PS256", "n")])
def test_another_spelling_of_base64url_is_refused(algorithm: Algorithm, member: str, change) -> None:
    jwk = jwk_of(algorithm)
    jwk[member] = change(jwk[member])
    with pytest.raises(KeyEncodingError, match="base64url"):
        parse_jwk(jwk)


def test_trailing_bits_of_base64url_are_refused() -> None:
    # 32 bytes leave four bits of the last character free: only one of its 16 values is canonical.
    jwk = jwk_of("ES256")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    jwk["x"] = jwk["x"][:-1] + alphabet[alphabet.index(jwk["x"][-1]) + 1]
    with pytest.raises(KeyEncodingError, match="trailing bits"):
        parse_jwk(jwk)


def test_a_point_whose_coordinates_are_equal_is_refused() -> None:
    jwk = jwk_of("ES256")
    with pytest.raises(InvalidKeyError, match="off the curve"):
        parse_jwk({**jwk, "y": jwk["x"]})


def test_the_point_at_infinity_is_refused() -> None:
    zero = base64url.encode(bytes(32))
    with pytest.raises(InvalidKeyError):
        parse_jwk({"kty": "EC", "crv": "P-256", "x": zero, "y": zero})


def test_a_coordinate_above_the_prime_is_refused() -> None:
    with pytest.raises(InvalidKeyError):
        parse_jwk({**jwk_of("ES256"), "x": base64url.encode(P256_PRIME.to_bytes(32, "big"))})


def test_an_ed25519_point_of_small_order_is_refused() -> None:
    with pytest.raises(InvalidKeyError, match="small order"):
        parse_jwk({"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(b"\x01" + bytes(31))})


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_changed_bit_of_a_coordinate_never_keeps_the_key(data: st.DataObject) -> None:
    jwk = jwk_of("ES256")
    member = data.draw(st.sampled_from(["x", "y"]))
    raw = bytearray(base64url.decode(jwk[member]))
    raw[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(InvalidKeyError):
        parse_jwk({**jwk, member: base64url.encode(bytes(raw))})


def test_rsa_1024_is_refused() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key().public_numbers()
    with pytest.raises(InvalidKeyError, match="2048"):
        parse_jwk(rsa_jwk(weak.n, weak.e))


@pytest.mark.parametrize(("modulus_bits", "exponent_bits"), [(16384, 17), (2048, 16384), (2048, 33), (5000, 17)])
def test_a_huge_rsa_key_exceeds_a_limit(modulus_bits: int, exponent_bits: int) -> None:
    with pytest.raises(KeyTooLargeError) as caught:
        parse_jwk(rsa_jwk((1 << modulus_bits) - 1, (1 << exponent_bits) - 1))
    assert caught.value.name == "RESOURCE_LIMIT"


@pytest.mark.parametrize("exponent", [1, 2, 65536])
def test_an_unsafe_rsa_exponent_is_refused(exponent: int) -> None:
    modulus = int.from_bytes(base64url.decode(jwk_of("PS256")["n"]), "big")
    with pytest.raises(InvalidKeyError):
        parse_jwk(rsa_jwk(modulus, exponent))


@pytest.mark.parametrize("member", ["n", "e"])
def test_a_zero_byte_before_an_rsa_number_is_refused(member: str) -> None:
    jwk = jwk_of("PS256")
    jwk[member] = base64url.encode(b"\x00" + base64url.decode(jwk[member]))
    with pytest.raises(KeyEncodingError, match="zero byte"):
        parse_jwk(jwk)


@pytest.mark.parametrize(
    ("algorithm", "stated"),
    [("ES256", "ES256"), ("ES384", "ES384"), ("EdDSA", "EdDSA"), ("PS256", "PS256"), ("RS256", "RS256")],
)
def test_alg_binds_the_key_to_one_algorithm(algorithm: Algorithm, stated: Algorithm) -> None:
    assert parse_jwk({**jwk_of(algorithm), "alg": stated}).algorithms == (stated,)


def test_the_fully_specified_name_of_rfc_9864_is_eddsa() -> None:
    assert parse_jwk({**jwk_of("EdDSA"), "alg": "Ed25519"}).algorithms == ("EdDSA",)


@pytest.mark.parametrize(
    ("algorithm", "stated"),
    [("ES256", "ES384"), ("ES256", "ES521"), ("EdDSA", "ES256"), ("PS256", "RS512"), ("PS256", "RSA-OAEP")],
)
def test_an_alg_of_another_key_is_refused(algorithm: Algorithm, stated: str) -> None:
    with pytest.raises(InvalidKeyError, match="alg"):
        parse_jwk({**jwk_of(algorithm), "alg": stated})


@pytest.mark.parametrize(
    "extra", [{"use": "sig"}, {"key_ops": ["verify"]}, {"key_ops": ["sign", "verify"]}, {"kid": "key-1"}]
)
def test_an_optional_member_that_fits_is_accepted(extra: dict) -> None:
    assert parse_jwk({**jwk_of("ES256"), **extra}) == public_key("ES256")


@pytest.mark.parametrize(
    "extra",
    [
        {"use": "enc"},
        {"use": ["sig"]},
        {"use": None},
        {"key_ops": []},
        {"key_ops": ["encrypt"]},
        {"key_ops": ["verify", "verify"]},
        {"key_ops": "verify"},
        {"key_ops": ["verify", 1]},
        {"kid": ""},
        {"kid": 1},
        {"kid": "k" * 1025},
        {"alg": None},
    ],
    ids=str,
)
def test_an_optional_member_that_does_not_fit_is_refused(extra: dict) -> None:
    with pytest.raises(InvalidKeyError):
        parse_jwk({**jwk_of("ES256"), **extra})


def test_a_vendors_key_on_a_foreign_curve_is_refused() -> None:
    with pytest.raises(UnsupportedKeyError, match="secp521r1"):
        from_cryptography(ec.generate_private_key(ec.SECP521R1()).public_key())


def test_an_x25519_jwk_of_a_stranger_is_refused() -> None:
    raw = x25519.X25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(UnsupportedKeyError):
        parse_jwk({"kty": "OKP", "crv": "X25519", "x": base64url.encode(raw)})


def suite_keys() -> list[str]:
    return sorted(path.name for path in (SHARED / KEYS).glob("*.json"))


@pytest.mark.parametrize("name", suite_keys())
def test_the_keys_of_the_jws_test_suite_are_read_or_refused_by_name(name: str) -> None:
    key = json.loads(shared(f"{KEYS}/{name}").read_bytes())
    if "secp256k1" in name:
        with pytest.raises(UnsupportedKeyError, match="secp256k1"):
            parse_jwk(key["publicKeyJwk"])
    else:
        assert parse_jwk(key["publicKeyJwk"]).jwk == key["publicKeyJwk"]
    with pytest.raises(PrivateKeyPublishedError):
        parse_jwk(key["privateKeyJwk"])
