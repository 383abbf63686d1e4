"""Which public areas are endorsement keys'."""

from dataclasses import replace
from math import prod

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from did.strength import _ROCA_PRIMES
from schemas import digests
from schemas.tpm.algorithms import TpmAlg, TpmaObject, TpmEcc
from schemas.tpm.ek_templates import EK_AREAS
from schemas.tpm.errors import TpmStructureError
from schemas.tpm.public import Scheme, Symmetric
from tests.fakes import tpm_maker as maker
from verifier.endorsement.ek_public import check_ek_public
from verifier.endorsement.errors import EkKeyWeakError, EkRefusedError

KEYS = {"L-1": "rsa2048", "L-2": "p256", "H-1": "rsa2048", "H-2": "p256", "H-3": "p384", "H-6": "rsa3072"}


def area(template):
    return maker.area(template, maker.private_key(KEYS[template], "ek").public_key())


@pytest.mark.parametrize("template", KEYS)
def test_a_key_of_each_template_is_an_endorsement_key(template):
    made = area(template)
    ek = check_ek_public(made.encode())
    assert (ek.area, ek.template) == (made, template)
    assert ek.vendor == maker.private_key(KEYS[template], "ek").public_key()
    # FORMATS.md: hardwareId is SHA-256, whatever the key's own hash.
    assert ek.digest == digests.digest(made.encode())


def test_the_templates_are_those_that_the_agent_makes_keys_from():
    templates = pytest.importorskip("agent.tpm.templates").EK_TEMPLATES
    theirs = {template.name: replace(template.public, key=blank(template.public.key)) for template in templates}
    assert theirs == EK_AREAS


def blank(key):
    return replace(key, modulus=b"") if hasattr(key, "modulus") else replace(key, x=b"", y=b"")


def test_the_usual_exponent_has_two_spellings():
    made = area("L-1")
    spelled = replace(made, key=replace(made.key, exponent=65537))
    assert check_ek_public(spelled.encode()).template == "L-1"


@pytest.mark.parametrize(
    ("attribute", "told"),
    [
        (TpmaObject.FIXED_TPM, "not fixed_tpm"),
        (TpmaObject.FIXED_PARENT, "not fixed_parent"),
        (TpmaObject.SENSITIVE_DATA_ORIGIN, "not sensitive_data_origin"),
        (TpmaObject.ADMIN_WITH_POLICY, "not admin_with_policy"),
        (TpmaObject.RESTRICTED, "not restricted"),
        (TpmaObject.DECRYPT, "not decrypt"),
        (TpmaObject.USER_WITH_AUTH, "none of the templates"),
        (TpmaObject.SIGN, "beyond"),
        (TpmaObject.ENCRYPTED_DUPLICATION, "beyond"),
        (TpmaObject.ST_CLEAR, "beyond"),
        (TpmaObject.NO_DA, "beyond"),
        (1 << 31, "beyond"),
    ],
)
@pytest.mark.parametrize("template", ["L-1", "L-2"])
def test_another_attribute_is_refused(template, attribute, told):
    made = area(template)
    with pytest.raises(EkRefusedError, match=told):
        check_ek_public(replace(made, attributes=made.attributes ^ int(attribute)).encode())


@pytest.mark.parametrize(
    "change",
    [
        lambda made: replace(made, auth_policy=b""),
        lambda made: replace(made, auth_policy=bytes(32)),
        lambda made: replace(made, auth_policy=EK_AREAS["H-1"].auth_policy),
        lambda made: replace(made, name_algorithm=TpmAlg.SHA1),
        lambda made: replace(made, name_algorithm=TpmAlg.SHA384),
        lambda made: replace(made, key=replace(made.key, symmetric=Symmetric(TpmAlg.AES, 256, TpmAlg.CFB))),
        lambda made: replace(made, key=replace(made.key, symmetric=Symmetric())),
        lambda made: replace(made, key=replace(made.key, scheme=Scheme(TpmAlg.OAEP, TpmAlg.SHA256))),
        lambda made: replace(made, key=replace(made.key, exponent=3)),
        lambda made: replace(made, key=replace(made.key, key_bits=1024)),
        lambda made: replace(made, key=replace(made.key, key_bits=4096)),
    ],
)
def test_other_parameters_are_refused(change):
    with pytest.raises(EkRefusedError, match="templates L-1"):
        check_ek_public(change(area("L-1")).encode())


@pytest.mark.parametrize("curve", [TpmEcc.NIST_P384, TpmEcc.NIST_P521, TpmEcc.NIST_P224, TpmEcc.SM2_P256])
def test_another_curve_is_refused(curve):
    made = area("L-2")
    with pytest.raises(EkRefusedError, match="templates L-1"):
        check_ek_public(replace(made, key=replace(made.key, curve=curve)).encode())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda key: replace(key, y=bytes(32)), "not on"),
        (lambda key: replace(key, x=b""), "a coordinate"),
        (lambda key: replace(key, x=b"\0" + key.x), "a coordinate"),
    ],
)
def test_a_point_off_the_curve_is_refused(change, told):
    made = area("L-2")
    with pytest.raises(EkRefusedError, match=told):
        check_ek_public(replace(made, key=change(made.key)).encode())


def with_modulus(modulus, length=256):
    made = area("L-1")
    return replace(made, key=replace(made.key, modulus=modulus.to_bytes(length, "big"))).encode()


def test_a_modulus_of_roca_is_refused():
    # Modulo the product of small primes, it is a power of 65537: so are its two primes in RSALib.
    product = prod(_ROCA_PRIMES)
    residue = pow(65537, 1234, product)
    modulus = residue + product * ((3 << 2046) // product)
    modulus += 0 if modulus % 2 else product
    with pytest.raises(EkKeyWeakError, match="ROCA"):
        check_ek_public(with_modulus(modulus))


@pytest.mark.parametrize(
    ("modulus", "length"), [(1 << 1023 | 1, 256), (1 << 2040 | 1, 256), (1 << 1023 | 1, 128), (3 << 2046 | 1, 257)]
)
def test_a_modulus_of_another_length_than_it_says_is_refused(modulus, length):
    with pytest.raises(EkKeyWeakError, match="it says that it has 2048 bits"):
        check_ek_public(with_modulus(modulus, length))


def test_an_even_modulus_is_refused():
    with pytest.raises(EkKeyWeakError, match="even"):
        check_ek_public(with_modulus(1 << 2047))


def test_an_attestation_key_is_no_endorsement_key():
    made = area("L-2")
    signing = made.attributes & ~int(TpmaObject.DECRYPT) | int(TpmaObject.SIGN)
    with pytest.raises(EkRefusedError, match="not decrypt"):
        check_ek_public(replace(made, attributes=signing).encode())


def test_bytes_that_are_no_public_area_are_malformed():
    raw = area("L-2").encode()
    for damaged in (b"", raw[:-1], raw + b"\0", bytes(5000)):
        with pytest.raises(TpmStructureError):
            check_ek_public(damaged)


def test_the_key_is_the_one_of_the_area():
    assert isinstance(check_ek_public(area("L-1").encode()).vendor, rsa.RSAPublicKey)
