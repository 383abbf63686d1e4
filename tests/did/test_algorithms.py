import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from did import algorithms
from did.algorithms import ALGORITHMS, Algorithm
from did.errors import AlgorithmRefusedError, SignatureInvalidError, UnsupportedKeyError
from did.signers.software import SoftwareSigner
from tests.fakes.did import public_key, signer

SIGNATURE_BYTES = {"ES256": 64, "ES384": 96, "EdDSA": 64, "PS256": 256, "RS256": 256}
MESSAGE = b"energy_kwh 0.000729"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_name_on_the_list_is_accepted(algorithm: Algorithm) -> None:
    assert algorithms.accept(algorithm) == algorithm


@pytest.mark.parametrize(
    "name",
    ["none", "NONE", "nOnE", "", "HS256", "HS512", "ES256K", "Ed448", "ML-DSA-44", "RS384", "PS512", "ES512", "es256"],
)
def test_a_name_off_the_list_is_refused(name: str) -> None:
    with pytest.raises(AlgorithmRefusedError) as caught:
        algorithms.accept(name)
    assert caught.value.name == "CRYPTOGRAPHIC_SECURITY_ERROR"


@pytest.mark.parametrize("name", [None, 0, True, ["ES256"], {"alg": "ES256"}])
def test_an_algorithm_that_is_no_text_is_refused(name: object) -> None:
    with pytest.raises(AlgorithmRefusedError):
        algorithms.accept(name)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_has_the_length_of_its_key(algorithm: Algorithm) -> None:
    signature = signer(algorithm).sign(MESSAGE, algorithm)
    assert len(signature) == SIGNATURE_BYTES[algorithm]
    assert algorithms.signature_bytes(public_key(algorithm).vendor) == SIGNATURE_BYTES[algorithm]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_holds_over_its_own_message_alone(algorithm: Algorithm) -> None:
    signature = signer(algorithm).sign(MESSAGE, algorithm)
    public_key(algorithm).verify(MESSAGE, signature, algorithm)
    with pytest.raises(SignatureInvalidError):
        public_key(algorithm).verify(MESSAGE + b"\n", signature, algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_does_not_hold_for_another_key(algorithm: Algorithm) -> None:
    signature = signer(algorithm).sign(MESSAGE, algorithm)
    with pytest.raises(SignatureInvalidError):
        public_key(algorithm, 1).verify(MESSAGE, signature, algorithm)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(ALGORITHMS), st.data())
def test_one_changed_bit_breaks_a_signature(algorithm: Algorithm, data: st.DataObject) -> None:
    signature = bytearray(signer(algorithm).sign(MESSAGE, algorithm))
    bit = data.draw(st.integers(0, len(signature) * 8 - 1))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SignatureInvalidError):
        public_key(algorithm).verify(MESSAGE, bytes(signature), algorithm)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(ALGORITHMS), st.binary(max_size=600))
def test_random_bytes_are_no_signature(algorithm: Algorithm, signature: bytes) -> None:
    with pytest.raises(SignatureInvalidError):
        public_key(algorithm).verify(MESSAGE, signature, algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "change", [lambda raw: b"", lambda raw: raw[:-1], lambda raw: raw + b"\x00", lambda raw: b"\x00" + raw]
)
def test_a_signature_of_another_length_is_refused(algorithm: Algorithm, change) -> None:
    signature = change(signer(algorithm).sign(MESSAGE, algorithm))
    with pytest.raises(SignatureInvalidError, match="bytes"):
        public_key(algorithm).verify(MESSAGE, signature, algorithm)


def test_an_ecdsa_signature_in_der_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    der = key.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(SignatureInvalidError):
        SoftwareSigner(key).public_key.verify(MESSAGE, der, "ES256")


def test_r_and_s_with_a_leading_zero_each_are_refused() -> None:
    signature = signer("ES256").sign(MESSAGE, "ES256")
    widened = b"\x00" + signature[:32] + b"\x00" + signature[32:]
    with pytest.raises(SignatureInvalidError):
        public_key("ES256").verify(MESSAGE, widened, "ES256")


@pytest.mark.parametrize("salt_length", [0, 20, 64, padding.PSS.MAX_LENGTH])
def test_a_pss_signature_with_another_salt_length_is_refused(salt_length) -> None:
    key = signer("PS256")._key
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=salt_length)
    with pytest.raises(SignatureInvalidError):
        public_key("PS256").verify(MESSAGE, key.sign(MESSAGE, pss, hashes.SHA256()), "PS256")


@pytest.mark.parametrize(("signed", "asked"), [("PS256", "RS256"), ("RS256", "PS256")])
def test_one_rsa_signature_does_not_pass_for_the_other(signed: Algorithm, asked: Algorithm) -> None:
    signature = signer(signed).sign(MESSAGE, signed)
    with pytest.raises(SignatureInvalidError):
        public_key(signed).verify(MESSAGE, signature, asked)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        ("ES256", "ES384"),
        ("ES384", "ES256"),
        ("EdDSA", "ES256"),
        ("PS256", "ES256"),
        ("ES256", "PS256"),
        ("ES256", "EdDSA"),
    ],
)
def test_no_key_signs_with_the_algorithm_of_another_kind(key: Algorithm, algorithm: Algorithm) -> None:
    with pytest.raises(AlgorithmRefusedError):
        signer(key).sign(MESSAGE, algorithm)


def test_a_curve_that_is_not_offered_is_named() -> None:
    key = ec.generate_private_key(ec.SECP256K1()).public_key()
    with pytest.raises(UnsupportedKeyError, match="secp256k1"):
        algorithms.algorithms_of(key)


def test_es384_hashes_with_sha_384() -> None:
    signature = signer("ES384").sign(MESSAGE, "ES384")
    r, s = int.from_bytes(signature[:48], "big"), int.from_bytes(signature[48:], "big")
    digest = hashlib.sha384(MESSAGE).digest()
    public_key("ES384").vendor.verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(hashes.SHA384())))
