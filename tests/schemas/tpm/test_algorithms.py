import hashlib

import pytest

from schemas.tpm import algorithms
from schemas.tpm.algorithms import KNOWN_ATTRIBUTES, TpmAlg, TpmaObject
from schemas.tpm.errors import TpmStructureError


@pytest.mark.parametrize(
    ("algorithm", "name"),
    [(TpmAlg.SHA1, "sha1"), (TpmAlg.SHA256, "sha256"), (TpmAlg.SHA384, "sha384"), (TpmAlg.SHA512, "sha512")],
)
def test_a_digest_is_that_of_its_hash(algorithm, name):
    assert algorithms.is_hash(algorithm)
    assert algorithms.digest(algorithm, b"x") == hashlib.new(name, b"x").digest()
    assert algorithms.digest_bytes(algorithm) == hashlib.new(name).digest_size


@pytest.mark.parametrize("algorithm", [TpmAlg.RSA, TpmAlg.NULL, 0x12, 0x27, 0xFFFF, 0])
def test_what_is_no_hash_has_no_digest(algorithm):
    assert not algorithms.is_hash(algorithm)
    with pytest.raises(TpmStructureError):
        algorithms.digest(algorithm, b"x")


def test_numbers_are_named():
    assert algorithms.algorithm_name(0x0B) == "TPM_ALG_SHA256"
    assert algorithms.algorithm_name(0x7777) == "algorithm 0x7777"
    assert algorithms.curve_name(3) == "TPM_ECC_NIST_P256"
    assert algorithms.curve_name(0x7777) == "curve 0x7777"


def test_the_attributes_of_the_usual_templates_are_known():
    assert TpmaObject(0x50472) == (
        TpmaObject.FIXED_TPM
        | TpmaObject.FIXED_PARENT
        | TpmaObject.SENSITIVE_DATA_ORIGIN
        | TpmaObject.USER_WITH_AUTH
        | TpmaObject.NO_DA
        | TpmaObject.RESTRICTED
        | TpmaObject.SIGN
    )
    assert int(KNOWN_ATTRIBUTES) == 0x000F0FF6
