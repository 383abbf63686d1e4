from itertools import permutations

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import given, settings

from did.algorithms import ALGORITHMS, Algorithm
from did.errors import AlgorithmRefusedError, InvalidKeyError
from did.jwk import parse_jwk
from did.keys import PublicKey
from did.signers.software import SoftwareSigner
from tests.fakes.did import fresh_signers, public_key, signer

IDENTITY_POINT = b"\x01" + bytes(31)


@pytest.mark.parametrize(
    ("algorithm", "kty", "crv", "members"),
    [
        ("ES256", "EC", "P-256", {"kty", "crv", "x", "y"}),
        ("ES384", "EC", "P-384", {"kty", "crv", "x", "y"}),
        ("EdDSA", "OKP", "Ed25519", {"kty", "crv", "x"}),
        ("PS256", "RSA", None, {"kty", "n", "e"}),
    ],
)
def test_a_key_tells_its_kind_and_public_members(algorithm: Algorithm, kty, crv, members) -> None:
    key = public_key(algorithm)
    assert (key.kty, key.crv, set(key.jwk)) == (kty, crv, members)


def test_the_jwk_is_a_copy() -> None:
    key = public_key("ES256")
    key.jwk["x"] = "changed"
    assert key.jwk["x"] != "changed"


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [("ES256", ("ES256",)), ("ES384", ("ES384",)), ("EdDSA", ("EdDSA",)), ("RS256", ("PS256", "RS256"))],
)
def test_a_key_lists_its_algorithms_the_preferred_first(algorithm: Algorithm, expected) -> None:
    assert public_key(algorithm).algorithms == expected


def test_the_thumbprint_of_rfc_8037_comes_out() -> None:
    # RFC 8037, appendix A.3
    key = parse_jwk({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    assert key.thumbprint_uri == (
        "urn:ietf:params:oauth:jwk-thumbprint:sha-256:kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_thumbprint_has_32_bytes(algorithm: Algorithm) -> None:
    assert len(public_key(algorithm).thumbprint) == 32


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(key, algorithm) for key, algorithm in permutations(ALGORITHMS, 2) if {key, algorithm} != {"PS256", "RS256"}],
)
def test_an_algorithm_of_another_key_is_refused_before_the_signature_is_read(key, algorithm) -> None:
    with pytest.raises(AlgorithmRefusedError) as caught:
        public_key(key).verify(b"message", b"", algorithm)
    assert caught.value.name == "CRYPTOGRAPHIC_SECURITY_ERROR"


def test_a_jwk_whose_alg_is_rs256_does_not_verify_ps256() -> None:
    key = parse_jwk({**public_key("PS256").jwk, "alg": "RS256"})
    with pytest.raises(AlgorithmRefusedError):
        key.verify(b"message", signer("PS256").sign(b"message", "PS256"), "PS256")


def test_keys_are_equal_when_their_members_are() -> None:
    key = public_key("ES256")
    assert parse_jwk({**key.jwk}) == key
    assert hash(parse_jwk({**key.jwk})) == hash(key)
    assert key != public_key("ES256", 1)


def test_a_key_bound_to_one_algorithm_is_not_the_free_one() -> None:
    key = public_key("PS256")
    assert parse_jwk({**key.jwk, "alg": "PS256"}) != key


def test_no_weak_rsa_key_can_be_put_into_a_public_key() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    with pytest.raises(InvalidKeyError):
        PublicKey(weak, (("kty", "RSA"),), ("PS256",))


def test_the_identity_point_cannot_be_put_into_a_public_key() -> None:
    point = ed25519.Ed25519PublicKey.from_public_bytes(IDENTITY_POINT)
    with pytest.raises(InvalidKeyError):
        PublicKey(point, (("kty", "OKP"),), ("EdDSA",))


def test_the_repr_shows_members_and_not_the_vendors_object() -> None:
    assert "cryptography" not in repr(public_key("ES256"))


@settings(max_examples=15, deadline=None)
@given(fresh_signers())
def test_two_keys_have_two_thumbprints(fresh: SoftwareSigner) -> None:
    assert fresh.public_key.thumbprint_uri != public_key("ES256").thumbprint_uri
