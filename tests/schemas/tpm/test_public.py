import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import digests
from schemas.cmw import parse_evidence
from schemas.tpm.algorithms import TpmAlg, TpmEcc
from schemas.tpm.errors import TpmStructureError
from schemas.tpm.public import EccKey, Public, RsaKey, Scheme, Symmetric, parse_public
from schemas.window_header import decode_header
from tests.vectors import FORMATS

EXAMPLE = parse_evidence((FORMATS / "evidence.cmw.json").read_bytes())
POLICY_A = bytes.fromhex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")

HASHES = st.sampled_from([TpmAlg.SHA1, TpmAlg.SHA256, TpmAlg.SHA384, TpmAlg.SHA512])
UINT16 = st.integers(0, 0xFFFF)
SYMMETRIC = st.just(Symmetric()) | st.builds(Symmetric, st.sampled_from([TpmAlg.AES, TpmAlg.SM4]), UINT16, UINT16)
NO_SCHEME = st.just(Scheme())
RSA_KEYS = st.builds(
    RsaKey,
    SYMMETRIC,
    NO_SCHEME
    | st.just(Scheme(TpmAlg.RSAES))
    | st.builds(Scheme, st.sampled_from([TpmAlg.RSASSA, TpmAlg.RSAPSS, TpmAlg.OAEP]), UINT16),
    UINT16,
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=512),
)
ECC_KEYS = st.builds(
    EccKey,
    SYMMETRIC,
    NO_SCHEME
    | st.builds(Scheme, st.sampled_from([TpmAlg.ECDSA, TpmAlg.ECDH, TpmAlg.SM2]), UINT16)
    | st.builds(Scheme, st.just(TpmAlg.ECDAA), UINT16, UINT16),
    UINT16,
    NO_SCHEME | st.builds(Scheme, st.sampled_from([TpmAlg.KDF2, TpmAlg.MGF1]), UINT16),
    st.binary(max_size=66),
    st.binary(max_size=66),
)
PUBLICS = st.builds(Public, HASHES, st.integers(0, 0xFFFFFFFF), st.binary(max_size=64), st.one_of(RSA_KEYS, ECC_KEYS))


@given(PUBLICS)
def test_a_public_area_is_read_as_it_was_written(public):
    assert parse_public(public.encode()) == public


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_have_one_spelling(raw):
    try:
        public = parse_public(raw)
    except TpmStructureError:
        return
    assert public.encode() == raw


@given(PUBLICS, st.data())
def test_every_truncation_and_every_byte_more_is_refused(public, data):
    raw = public.encode()
    with pytest.raises(TpmStructureError):
        parse_public(raw[: data.draw(st.integers(0, len(raw) - 1))])
    with pytest.raises(TpmStructureError):
        parse_public(raw + data.draw(st.binary(min_size=1, max_size=4)))


def test_the_example_is_an_attestation_key_on_p256():
    public = parse_public(EXAMPLE.ak)
    assert (public.name_algorithm, public.attributes, public.auth_policy) == (TpmAlg.SHA256, 0x50472, b"")
    assert isinstance(public.key, EccKey)
    assert (public.key.curve, public.key.scheme) == (TpmEcc.NIST_P256, Scheme(TpmAlg.ECDSA, TpmAlg.SHA256))
    assert (public.key.symmetric, public.key.kdf) == (Symmetric(), Scheme())


def test_the_name_is_the_algorithm_and_the_digest():
    public = parse_public(EXAMPLE.ak)
    assert public.name == b"\x00\x0b" + hashlib.sha256(EXAMPLE.ak).digest()
    assert digests.encode(public.name_digest) == decode_header(EXAMPLE.header).ak


def test_the_template_of_an_endorsement_key_is_written_as_the_tcg_prints_it():
    # TCG EK Credential Profile, template L-1: RSA 2048, storage.
    template = Public(
        TpmAlg.SHA256,
        0x000300B2,
        POLICY_A,
        RsaKey(Symmetric(TpmAlg.AES, 128, TpmAlg.CFB), Scheme(), 2048, 0, bytes(256)),
    )
    expected = "0001000b000300b20020" + POLICY_A.hex() + "00060080004300100800000000000100" + "00" * 256
    assert template.encode().hex() == expected


@pytest.mark.parametrize(
    ("offset", "bytes_", "said"),
    [
        (0, "0008", "type"),
        (0, "0025", "type"),
        (2, "0001", "nameAlg"),
        (2, "0010", "nameAlg"),
        (10, "0014", "symmetric"),
        (12, "0014", "scheme"),
        (12, "0015", "scheme"),
        (18, "0018", "kdf"),
    ],
)
def test_an_algorithm_that_may_not_stand_there_is_refused(offset, bytes_, said):
    raw = bytearray(EXAMPLE.ak)
    raw[offset : offset + 2] = bytes.fromhex(bytes_)
    with pytest.raises(TpmStructureError, match=said):
        parse_public(bytes(raw))


@pytest.mark.parametrize("scheme", [TpmAlg.ECDSA, TpmAlg.SHA256, TpmAlg.HMAC, 0xFFFF])
def test_a_scheme_that_is_none_of_an_rsa_key_is_refused(scheme):
    key = RsaKey(Symmetric(), Scheme(scheme, TpmAlg.SHA256), 2048, 0, bytes(256))
    with pytest.raises(TpmStructureError, match="none of an RSA key"):
        parse_public(Public(TpmAlg.SHA256, 0x50472, b"", key).encode())


@pytest.mark.parametrize("offset", [8, 20, 54])
def test_a_size_that_lies_is_refused(offset):
    for lie in (b"\xff\xff", b"\x00\x43", b"\x00\x01"):
        raw = bytearray(EXAMPLE.ak)
        raw[offset : offset + 2] = lie
        with pytest.raises(TpmStructureError):
            parse_public(bytes(raw))


def test_a_size_before_the_area_is_refused():
    with pytest.raises(TpmStructureError):
        parse_public(len(EXAMPLE.ak).to_bytes(2, "big") + EXAMPLE.ak)
