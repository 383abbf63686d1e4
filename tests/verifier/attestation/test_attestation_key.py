"""Which keys are attestation keys, and which signatures are theirs."""

import struct

import pytest

from schemas.tpm.errors import TpmStructureError
from schemas.tpm.signature import EccSignature, RsaSignature, parse_signature
from tests.fakes.soft_tpm import (
    AK_ATTRIBUTES,
    ECDSA,
    NULL,
    P256,
    P384,
    RSAPSS,
    RSASSA,
    SHA1,
    SHA256,
    SHA384,
    SHA512,
    SoftTpm,
    sized,
)
from verifier.attestation.attestation_key import check_attestation_key
from verifier.attestation.errors import AttestationKeyError, QuoteAlgorithmError, QuoteSignatureError

MESSAGE = b"what the TPM attests"
SOUND = {
    "ECDSA P-256": SoftTpm(),
    "ECDSA P-256 with SHA-384": SoftTpm(hash_algorithm=SHA384),
    "ECDSA P-384": SoftTpm(curve=P384, key_curve=P384, hash_algorithm=SHA384),
    "RSASSA 2048": SoftTpm(scheme=RSASSA),
    "RSASSA 2048 with SHA-512": SoftTpm(scheme=RSASSA, hash_algorithm=SHA512),
    "RSAPSS 2048": SoftTpm(scheme=RSAPSS),
    "RSAPSS 3072": SoftTpm(scheme=RSAPSS, bits=3072),
    "an exponent that is written": SoftTpm(scheme=RSASSA, exponent=65537),
    "a policy instead of a password": SoftTpm(attributes=AK_ATTRIBUTES & ~0x40 | 0x80),
}
UNFIT = {
    "not restricted": (SoftTpm(attributes=AK_ATTRIBUTES & ~0x10000), "restricted"),
    "not fixed to its TPM": (SoftTpm(attributes=AK_ATTRIBUTES & ~0x2), "fixed_tpm"),
    "not fixed to its parent": (SoftTpm(attributes=AK_ATTRIBUTES & ~0x10), "fixed_parent"),
    "imported": (SoftTpm(attributes=AK_ATTRIBUTES & ~0x20), "sensitive_data_origin"),
    "not signing": (SoftTpm(attributes=AK_ATTRIBUTES & ~0x40000), "sign"),
    "decrypting": (SoftTpm(attributes=AK_ATTRIBUTES | 0x20000), "decrypt"),
    "signing certificates": (SoftTpm(attributes=AK_ATTRIBUTES | 0x80000), "x509_sign"),
    "duplicable": (SoftTpm(attributes=AK_ATTRIBUTES | 0x800), "encrypted_duplication"),
    "of reserved attributes": (SoftTpm(attributes=AK_ATTRIBUTES | 0x80000000), "reserved"),
    "named by SHA-1": (SoftTpm(name_algorithm=SHA1), "nameAlg"),
    "named by SHA-384": (SoftTpm(name_algorithm=SHA384), "nameAlg"),
    "signing with SHA-1": (SoftTpm(hash_algorithm=SHA1), "TPM_ALG_SHA1"),
    "RSA signing with SHA-1": (SoftTpm(scheme=RSASSA, hash_algorithm=SHA1), "TPM_ALG_SHA1"),
    "ECDSA with SHA-512": (SoftTpm(hash_algorithm=SHA512), "TPM_ALG_SHA512"),
    "bound to no scheme": (SoftTpm(scheme=NULL), "bound to no scheme"),
    "bound to ECSchnorr": (SoftTpm(scheme=0x1C), "TPM_ALG_ECSCHNORR"),
    "RSA of 1024 bits": (SoftTpm(scheme=RSASSA, bits=1024), "bits"),
    "RSA with exponent 3": (SoftTpm(scheme=RSASSA, exponent=3), "exponent"),
    "on P-521 by its label": (SoftTpm(curve=5), "NIST_P521"),
    "on P-224": (SoftTpm(curve=2), "NIST_P224"),
    "on a curve without a name": (SoftTpm(curve=0x7777), "0x7777"),
    "on P-384 by its label": (SoftTpm(curve=P384), "not on TPM_ECC_NIST_P384"),
    "on P-256 by its label": (SoftTpm(curve=P256, key_curve=P384), "has 32 bytes"),
    "with a symmetric algorithm": (SoftTpm(symmetric=struct.pack(">HHH", 6, 128, 0x43)), "symmetric"),
    "with a key derivation": (SoftTpm(kdf=struct.pack(">HH", 0x20, SHA256)), "derivation"),
}


@pytest.mark.parametrize("name", SOUND)
def test_an_attestation_key_verifies_what_it_signed(name):
    tpm = SOUND[name]
    key = check_attestation_key(tpm.public)
    key.verify(MESSAGE, parse_signature(tpm.sign(MESSAGE)))
    assert (key.digest, key.thumbprint_uri) == (tpm.ak, tpm.uri)


@pytest.mark.parametrize("name", UNFIT)
def test_a_key_that_is_no_attestation_key_is_refused(name):
    tpm, said = UNFIT[name]
    with pytest.raises(AttestationKeyError) as caught:
        check_attestation_key(tpm.public)
    assert said in caught.value.detail
    assert (caught.value.status, caught.value.name) == (401, "ATTESTATION_KEY_REFUSED")


def test_a_point_off_its_curve_is_refused():
    public = bytearray(SoftTpm().public)
    public[-1] ^= 1
    with pytest.raises(AttestationKeyError, match="not on TPM_ECC_NIST_P256"):
        check_attestation_key(bytes(public))


def test_the_point_at_infinity_is_refused():
    public = SoftTpm().public
    head = public[: -2 * 34]
    for point in (sized(bytes(32)) * 2, sized(b"") * 2, sized(b"\0") * 2):
        with pytest.raises(AttestationKeyError):
            check_attestation_key(head + point)


@pytest.mark.parametrize("change", [lambda n: n & ~1, lambda n: n >> 1], ids=["even", "shorter than it says"])
def test_a_modulus_that_is_none_is_refused(change):
    public = SoftTpm(scheme=RSASSA).public
    modulus = change(int.from_bytes(public[-256:], "big")).to_bytes(256, "big")
    with pytest.raises(AttestationKeyError):
        check_attestation_key(public[:-256] + modulus)


def test_a_modulus_with_a_zero_before_it_is_refused():
    public = SoftTpm(scheme=RSASSA).public
    with pytest.raises(AttestationKeyError):
        check_attestation_key(public[:-258] + sized(b"\0" + public[-256:]))


def test_a_modulus_of_infineons_faulty_library_is_refused():
    # 65537^e modulo the product of the small primes, which is how those primes came about (ROCA).
    primes = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103)
    primorial = 1
    for prime in (*primes, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167):
        primorial *= prime
    residue = pow(65537, 12345, primorial)
    modulus = ((1 << 2047) // primorial + 1) * primorial + residue
    modulus += primorial * (1 - modulus % 2)
    with pytest.raises(AttestationKeyError, match="ROCA"):
        check_attestation_key(SoftTpm(scheme=RSASSA).public[:-256] + modulus.to_bytes(256, "big"))


def test_a_length_between_those_of_rsa_keys_is_refused():
    public = SoftTpm(scheme=RSASSA).public
    odd = public[:-264] + struct.pack(">HI", 2056, 0) + sized(b"\xff" * 257)
    with pytest.raises(AttestationKeyError, match="2056"):
        check_attestation_key(odd)


def test_a_modulus_whose_first_bit_is_missing_is_refused():
    public = SoftTpm(scheme=RSASSA, bits=3072).public
    modulus = int.from_bytes(public[-384:], "big") >> 1 | 1
    with pytest.raises(AttestationKeyError, match="has 3071"):
        check_attestation_key(public[:-384] + modulus.to_bytes(384, "big"))


@pytest.mark.parametrize("name", ["x", "y"])
def test_a_coordinate_longer_than_the_curves_is_refused_although_it_is_the_same_number(name):
    public = SoftTpm().public
    head, x, y = public[:-68], public[-66:-34], public[-32:]
    assert head + sized(x) + sized(y) == public
    longer = sized(b"\0" + x) + sized(y) if name == "x" else sized(x) + sized(b"\0" + y)
    with pytest.raises(AttestationKeyError, match="has 32 bytes"):
        check_attestation_key(head + longer)


def test_a_coordinate_without_its_leading_zeros_is_the_same_number():
    short = next(tpm for tpm in (SoftTpm(seed=seed) for seed in range(1, 5000)) if tpm.public[-66] == 0)
    public = short.public
    check_attestation_key(public[:-68] + sized(public[-65:-34]) + public[-34:])


def test_bytes_that_are_no_public_area_are_malformed():
    with pytest.raises(TpmStructureError):
        check_attestation_key(SoftTpm().public + b"\0")


def signature(tpm, **options):
    return parse_signature(tpm.sign(MESSAGE, **options))


def test_a_signature_of_another_key_is_refused():
    with pytest.raises(QuoteSignatureError):
        SoftTpm().key.verify(MESSAGE, signature(SoftTpm(seed=8)))
    with pytest.raises(QuoteSignatureError):
        SoftTpm().key.verify(MESSAGE + b"!", signature(SoftTpm()))


@pytest.mark.parametrize(
    ("tpm", "lie"),
    [
        (SoftTpm(scheme=RSAPSS), {"scheme": RSASSA}),
        (SoftTpm(scheme=RSASSA), {"scheme": RSAPSS}),
        (SoftTpm(), {"hash_algorithm": SHA1}),
        (SoftTpm(), {"hash_algorithm": SHA384}),
        (SoftTpm(scheme=RSASSA), {"hash_algorithm": SHA1}),
        (SoftTpm(scheme=RSASSA), {"hash_algorithm": SHA512}),
    ],
)
def test_a_scheme_or_hash_that_is_not_the_keys_is_refused_although_it_was_signed(tpm, lie):
    with pytest.raises(QuoteAlgorithmError):
        tpm.key.verify(MESSAGE, signature(tpm, **lie))


def test_a_label_over_another_scheme_is_refused():
    tpm = SoftTpm(scheme=RSAPSS)
    labelled = RsaSignature(RSAPSS, SHA256, signature(tpm, scheme=RSASSA).value)
    with pytest.raises(QuoteSignatureError):
        tpm.key.verify(MESSAGE, labelled)


def test_a_signature_of_another_kind_of_key_is_refused():
    with pytest.raises(QuoteAlgorithmError):
        SoftTpm().key.verify(MESSAGE, signature(SoftTpm(scheme=RSASSA)))


ONE = b"\x01".rjust(32, b"\0")
ORDER = bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")


@pytest.mark.parametrize(
    ("r", "s"),
    [
        (bytes(32), ONE),
        (ONE, bytes(32)),
        (bytes(32), bytes(32)),
        (b"", ONE),
        (ONE, b""),
        (b"\0" * 33, ONE),
        (ORDER, ONE),
        (ONE, ORDER),
        (b"\xff" * 32, b"\xff" * 32),
    ],
)
def test_r_and_s_that_no_signature_has_are_refused(r, s):
    with pytest.raises(QuoteSignatureError):
        SoftTpm().key.verify(MESSAGE, EccSignature(ECDSA, SHA256, r, s))


def test_a_number_written_longer_than_the_curves_is_refused():
    sound = signature(SoftTpm())
    with pytest.raises(QuoteSignatureError):
        SoftTpm().key.verify(MESSAGE, EccSignature(ECDSA, SHA256, b"\0" + sound.r, sound.s))


@pytest.mark.parametrize("change", [lambda value: value[1:], lambda value: b"\0" + value, lambda value: b""])
def test_an_rsa_signature_of_another_length_is_refused(change):
    tpm = SoftTpm(scheme=RSASSA)
    with pytest.raises(QuoteSignatureError):
        tpm.key.verify(MESSAGE, RsaSignature(RSASSA, SHA256, change(signature(tpm).value)))
