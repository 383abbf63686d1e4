import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tpm.errors import TpmStructureError
from schemas.tpm.signature import EccSignature, RsaSignature, parse_signature
from tests.fakes.soft_tpm import sized

RSA = struct.pack(">HH", 0x14, 0x0B) + sized(b"s" * 256)
ECC = struct.pack(">HH", 0x18, 0x0B) + sized(b"r" * 32) + sized(b"s" * 32)


def test_an_rsa_signature_is_read():
    assert parse_signature(RSA) == RsaSignature(0x14, 0x0B, b"s" * 256)


@pytest.mark.parametrize("scheme", [0x18, 0x1A, 0x1B, 0x1C])
def test_an_ecc_signature_is_read(scheme):
    raw = struct.pack(">H", scheme) + ECC[2:]
    assert parse_signature(raw) == EccSignature(scheme, 0x0B, b"r" * 32, b"s" * 32)


@pytest.mark.parametrize("scheme", [0x0000, 0x0005, 0x0010, 0x0015, 0x0017, 0x0019, 0xFFFF])
def test_what_is_no_asymmetric_signature_is_refused(scheme):
    with pytest.raises(TpmStructureError, match="no asymmetric signature"):
        parse_signature(struct.pack(">H", scheme) + ECC[2:])


@pytest.mark.parametrize("raw", [RSA, ECC], ids=["RSA", "ECC"])
def test_every_truncation_and_a_byte_more_is_refused(raw):
    for length in range(len(raw)):
        with pytest.raises(TpmStructureError):
            parse_signature(raw[:length])
    with pytest.raises(TpmStructureError):
        parse_signature(raw + b"\0")


def test_a_signature_longer_than_any_key_makes_is_refused():
    with pytest.raises(TpmStructureError):
        parse_signature(RSA[:4] + sized(bytes(513)))
    with pytest.raises(TpmStructureError):
        parse_signature(ECC[:4] + sized(bytes(67)) + sized(bytes(32)))


@given(st.binary(max_size=200), st.sampled_from([RSA[:4], ECC[:4], b""]))
def test_any_bytes_are_read_or_refused(raw, begun):
    try:
        parse_signature(begun + raw)
    except TpmStructureError:
        return
