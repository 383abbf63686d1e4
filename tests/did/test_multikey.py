import json

import pytest
from hypothesis import given, settings

from did import base58, multikey
from did.errors import InvalidKeyError, KeyEncodingError, UnsupportedKeyError
from did.jwk import parse_jwk
from tests.fakes.did import CURVES, fresh_signers, public_key
from tests.vectors import shared

P256 = b"\x80\x24"
P384 = b"\x81\x24"
ED25519 = b"\xed\x01"


def multibase(value: bytes) -> str:
    return "z" + base58.encode(value)


@pytest.mark.parametrize(("algorithm", "start"), [("ES256", "zDn"), ("ES384", "z82"), ("EdDSA", "z6Mk")])
def test_a_multikey_starts_as_its_curve_does(algorithm, start) -> None:
    assert multikey.encode(public_key(algorithm)).startswith(start)


@settings(max_examples=30, deadline=None)
@given(fresh_signers())
def test_every_new_key_survives_the_round_trip(fresh) -> None:
    text = multikey.encode(fresh.public_key)
    assert multikey.decode(text) == fresh.public_key
    assert multikey.encode(multikey.decode(text)) == text


def test_the_p_256_key_of_the_did_key_specification_is_read() -> None:
    # W3C CCG did:key v0.7, appendix "P-256"
    key = multikey.decode("zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv")
    assert key == parse_jwk(
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "igrFmi0whuihKnj9R3Om1SoMph72wUGeFaBbzG2vzns",
            "y": "efsX5b10x8yjyrj4ny3pGfLcY7Xby1KzgqOdqnsrJIM",
        }
    )


@pytest.mark.parametrize(
    ("path", "crv"),
    [
        ("vectors/vc-di-ecdsa/p256KeyPair.json", "P-256"),
        ("vectors/vc-di-ecdsa/p384KeyPair.json", "P-384"),
        ("vectors/vc-di-eddsa/keyPair.json", "Ed25519"),
    ],
)
def test_the_keys_of_the_w3c_vectors_are_read(path, crv) -> None:
    text = json.loads(shared(path).read_bytes())["publicKeyMultibase"]
    assert multikey.decode(text).crv == crv
    assert multikey.encode(multikey.decode(text)) == text


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        (b"\xe7\x01", "secp256k1"),
        (b"\xec\x01", "X25519"),
        (b"\x82\x24", "P-521"),
        (b"\x85\x24", "RSA"),
        (b"\x83\x24", "Ed448"),
        (b"\xeb\x01", "BLS12-381"),
        (b"\xd1\xd6\x03", "JWK"),
        (b"\x7f", "multicodec"),
        (b"", "multicodec"),
    ],
)
def test_another_codec_is_refused_by_name(prefix, name) -> None:
    with pytest.raises(UnsupportedKeyError, match=name):
        multikey.decode(multibase(prefix + bytes(33)))


@pytest.mark.parametrize("text", ["", "u7QE", "m7QE", "Z6Mk", "f00"])
def test_another_base_is_refused(text) -> None:
    with pytest.raises(KeyEncodingError, match="base58btc"):
        multikey.decode(text)


def test_a_very_long_text_is_refused() -> None:
    with pytest.raises(KeyEncodingError, match="128"):
        multikey.decode("z" * 129)


@pytest.mark.parametrize("algorithm", CURVES)
@pytest.mark.parametrize("change", [lambda raw: raw[:-1], lambda raw: raw + b"\x00"])
def test_a_key_of_another_length_is_refused(algorithm, change) -> None:
    raw = base58.decode(multikey.encode(public_key(algorithm))[1:])
    with pytest.raises(KeyEncodingError, match="bytes of key"):
        multikey.decode(multibase(change(raw)))


@pytest.mark.parametrize("sign", [b"\x00", b"\x04", b"\x05"])
def test_a_point_that_is_not_compressed_is_refused(sign) -> None:
    raw = public_key("ES256").encoded_point()
    with pytest.raises(InvalidKeyError):
        multikey.decode(multibase(P256 + sign + raw[1:]))


def test_a_point_off_the_curve_is_refused() -> None:
    # No point of P-384 has x = 1 (tried out).
    point = b"\x02" + bytes(47) + b"\x01"
    with pytest.raises(InvalidKeyError, match="no point of P-384"):
        multikey.decode(multibase(P384 + point))


@pytest.mark.parametrize("point", [b"\x01" + bytes(31), bytes(32)])
def test_an_ed25519_point_of_small_order_is_refused(point) -> None:
    with pytest.raises(InvalidKeyError, match="small order"):
        multikey.decode(multibase(ED25519 + point))


def test_an_ed25519_point_in_another_spelling_is_refused() -> None:
    with pytest.raises(KeyEncodingError, match="canonical"):
        multikey.decode(multibase(ED25519 + b"\xff" * 31 + b"\x7f"))


def test_an_rsa_key_has_no_multikey() -> None:
    with pytest.raises(UnsupportedKeyError, match="JWK"):
        multikey.encode(public_key("PS256"))
