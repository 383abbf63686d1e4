"""The signature of a proof, and the key that it names: one length, one encoding, no key that is weak or huge."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from schemas import base64url
from tests.attacks.catalogue import attack, of_report
from tests.fakes.jose import HEADER, foreign, jwk_of, ours, rsa_jwk, signs, signs_in_der, signs_pss, small_signature
from tests.fakes.verifier import signer
from verifier.report import Outcome

OURS = ours()
BOTH = (OURS, foreign())
KEY = signer(1)._key
PSS_HEADER = {**HEADER, "alg": "PS256"}


@pytest.fixture(scope="module")
def rsa_2048():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def rsa_1024():
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)


def signed(header, sign):
    """The outcomes of both kinds of credential, signed in that way."""
    return [of_report(base.report(base.jws(header, sign=sign))) for base in BOTH]


def test_an_rsa_key_of_2048_bits_is_good_for_ps256(rsa_2048):
    base = ours(jwk_of(rsa_2048))
    assert base.report(base.jws(PSS_HEADER, sign=signs_pss(rsa_2048))).outcome is Outcome.VERIFIED


# --- signatures ----------------------------------------------------------------------------------------------


@attack("VP030", "reject:PROOF_VERIFICATION_ERROR")
def test_a_signature_in_der_is_refused(expected):
    expected.met_by(*signed(HEADER, signs_in_der(KEY)))


@attack("VP031", "reject:PROOF_VERIFICATION_ERROR")
def test_r_and_s_have_exactly_32_bytes_each(expected):
    expected.met_by(
        *[out for length in (33, 34, 48, 64, 256) for out in signed(HEADER, signs(KEY, length=length))],
        *signed(HEADER, lambda message: signs(KEY)(message) + b"\x00"),
        *signed(HEADER, lambda message: signs(KEY)(message)[:-1]),
        *signed(HEADER, lambda message: signs(KEY)(message) * 9),
    )


@attack("VP032", "reject:PROOF_VERIFICATION_ERROR")
def test_small_numbers_that_truly_hold_need_their_zeros(expected):
    header = base64url.encode(json.dumps(HEADER).encode())
    for unsecured in (ours({}), foreign({})):
        unsecured.jwk, r, s = small_signature(f"{header}.".encode() + unsecured.hashed)
        texts = {n: base64url.encode(r.to_bytes(n, "big") + s.to_bytes(n, "big")) for n in (1, 2, 15, 16, 30, 31, 32)}
        assert unsecured.report(f"{header}..{texts.pop(32)}").outcome is Outcome.VERIFIED
        expected.met_by(*[of_report(unsecured.report(f"{header}..{text}")) for text in texts.values()])


@attack("VP032", "reject:PROOF_VERIFICATION_ERROR")
def test_no_number_of_a_signature_is_zero_or_above_the_order(expected):
    n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    pairs = [(r, s) for r in (0, 1, n, 2**256 - 1) for s in (0, 1, n, 2**256 - 1)]
    for r, s in pairs:
        raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        expected.met_by(*signed(HEADER, lambda message, raw=raw: raw))


# --- RSA -----------------------------------------------------------------------------------------------------


@attack("VP036", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_an_rsa_key_of_1024_bits_is_refused_though_it_signed(expected, rsa_1024):
    base = ours(jwk_of(rsa_1024))
    expected.met_by(of_report(base.report(base.jws(PSS_HEADER, sign=signs_pss(rsa_1024)))))


@attack("VP036", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_an_rsa_key_of_a_weak_exponent_or_even_modulus_is_refused(expected, rsa_2048):
    modulus = rsa_2048.public_key().public_numbers().n
    weak = [(modulus, 1), (modulus, 2), (modulus, 65536), (modulus - 1, 65537), (2**2046 + 1, 65537)]
    bases = [ours(rsa_jwk(n, e)) for n, e in weak]
    expected.met_by(*[of_report(base.report(base.jws(PSS_HEADER, sign=lambda m: bytes(256)))) for base in bases])


@attack("VP037", "reject:RESOURCE_LIMIT")
def test_a_huge_rsa_key_is_not_computed_with(expected):
    huge = [(2**16384 - 1, 65537), (2**2048 - 1, 2**16384 - 1), (2**2048 - 1, 2**33 + 1), (2**4097 + 1, 3)]
    bases = [ours(rsa_jwk(n, e)) for n, e in huge]
    expected.met_by(*[of_report(base.report(base.jws(PSS_HEADER, sign=lambda m: bytes(256)))) for base in bases])


@attack("VP038", "reject:PROOF_VERIFICATION_ERROR")
def test_the_salt_of_ps256_has_32_bytes(expected, rsa_2048):
    base = ours(jwk_of(rsa_2048))
    salts = (0, 1, 20, 31, 33, 64, padding.PSS.MAX_LENGTH)
    expected.met_by(*[of_report(base.report(base.jws(PSS_HEADER, sign=signs_pss(rsa_2048, salt)))) for salt in salts])


def test_another_curve_with_the_issuers_numbers_is_no_key_of_the_issuer():
    key = ec.generate_private_key(ec.SECP256K1())
    report = OURS.report(OURS.jws({**HEADER, "alg": "ES256"}, sign=signs(key)))
    assert report.problem == "PROOF_VERIFICATION_ERROR"
