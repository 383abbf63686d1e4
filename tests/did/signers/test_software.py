import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from did.algorithms import ALGORITHMS
from did.errors import AlgorithmRefusedError, InvalidKeyError, UnsupportedKeyError
from did.signers.software import SoftwareSigner, generate_private_key
from did.signing import Signer
from tests.fakes.did import signer


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA"])
def test_a_new_signer_signs_with_its_algorithm(algorithm) -> None:
    fresh = SoftwareSigner.generate(algorithm)
    assert fresh.public_key.algorithms == (algorithm,)
    fresh.public_key.verify(b"message", fresh.sign(b"message", algorithm), algorithm)


def test_a_new_rsa_key_has_3072_bits() -> None:
    assert generate_private_key("PS256").key_size == 3072


def test_an_algorithm_off_the_list_makes_no_key() -> None:
    with pytest.raises(AlgorithmRefusedError):
        generate_private_key("HS256")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_it_keeps_the_protocol(algorithm) -> None:
    assert isinstance(signer(algorithm), Signer)


def test_its_repr_shows_the_key_id_and_no_key() -> None:
    shown = repr(signer("ES256"))
    scalar = signer("ES256")._key.private_numbers().private_value
    assert signer("ES256").public_key.thumbprint_uri in shown
    assert str(scalar) not in shown


def test_a_weak_key_does_not_sign() -> None:
    with pytest.raises(InvalidKeyError):
        SoftwareSigner(rsa.generate_private_key(public_exponent=65537, key_size=1024))


def test_a_key_on_another_curve_does_not_sign() -> None:
    with pytest.raises(UnsupportedKeyError, match="secp256k1"):
        SoftwareSigner(ec.generate_private_key(ec.SECP256K1()))
