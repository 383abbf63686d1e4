import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cmw import parse_evidence
from schemas.tpm.attest import (
    Attest,
    CertifyInfo,
    ClockInfo,
    CommandAuditInfo,
    CreationInfo,
    NvCertifyInfo,
    NvDigestCertifyInfo,
    QuoteInfo,
    SessionAuditInfo,
    TimeAttestInfo,
    parse_attest,
)
from schemas.tpm.errors import ForeignAttestError, TpmStructureError
from schemas.tpm.pcr import PcrSelection, window_selection
from tests.fakes.soft_tpm import sized
from tests.vectors import FORMATS

EXAMPLE = parse_evidence((FORMATS / "evidence.cmw.json").read_bytes())
CLOCK = struct.pack(">QIIB", 77, 3, 4, 1)
NAME = b"\x00\x0b" + bytes(32)


def attest(kind, body, *, magic=0xFF544347, clock=CLOCK):
    return struct.pack(">IH", magic, kind) + sized(NAME) + sized(b"extra") + clock + struct.pack(">Q", 9) + body


KINDS = {
    "quote": (
        0x8018,
        struct.pack(">IHB", 1, 0x0B, 3) + b"\x01\x80\x00" + sized(b"d" * 32),
        QuoteInfo((PcrSelection(0x0B, (0, 15)),), b"d" * 32),
    ),
    "certify": (0x8017, sized(NAME) + sized(b"q"), CertifyInfo(NAME, b"q")),
    "creation": (0x801A, sized(NAME) + sized(b"c"), CreationInfo(NAME, b"c")),
    "nv": (0x8014, sized(NAME) + b"\x00\x08" + sized(b"nv"), NvCertifyInfo(NAME, 8, b"nv")),
    "nv digest": (0x801C, sized(NAME) + sized(b"nv"), NvDigestCertifyInfo(NAME, b"nv")),
    "time": (
        0x8019,
        struct.pack(">Q", 5) + CLOCK + struct.pack(">Q", 6),
        TimeAttestInfo(5, ClockInfo(77, 3, 4, safe=True), 6),
    ),
    "session audit": (0x8016, b"\x00" + sized(b"s"), SessionAuditInfo(exclusive_session=False, session_digest=b"s")),
    "command audit": (
        0x8015,
        struct.pack(">QH", 5, 0x0B) + sized(b"a") + sized(b"c"),
        CommandAuditInfo(5, 0x0B, b"a", b"c"),
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_attestation_is_read(name):
    kind, body, attested = KINDS[name]
    assert parse_attest(attest(kind, body)) == Attest(NAME, b"extra", ClockInfo(77, 3, 4, safe=True), 9, attested)


@pytest.mark.parametrize("name", KINDS)
def test_every_truncation_and_a_byte_more_is_refused(name):
    raw = attest(*KINDS[name][:2])
    for length in range(len(raw)):
        with pytest.raises(TpmStructureError):
            parse_attest(raw[:length])
    with pytest.raises(TpmStructureError):
        parse_attest(raw + b"\0")


def test_the_example_is_a_quote_of_a_windows_registers():
    example = parse_attest(EXAMPLE.attest)
    assert isinstance(example.attested, QuoteInfo)
    assert example.attested.selections == window_selection()
    assert example.clock_info == ClockInfo(12, 1, 0, safe=True)


@pytest.mark.parametrize("magic", [0, 0xFF544348, 0x474354FF])
def test_another_magic_is_foreign(magic):
    with pytest.raises(ForeignAttestError):
        parse_attest(attest(*KINDS["quote"][:2], magic=magic))


@pytest.mark.parametrize("kind", [0, 0x8001, 0x801B, 0x8099, 0xFFFF])
def test_another_type_is_foreign(kind):
    with pytest.raises(ForeignAttestError):
        parse_attest(attest(kind, KINDS["quote"][1]))


@pytest.mark.parametrize("safe", [2, 0x80, 0xFF])
def test_a_boolean_that_is_none_is_refused(safe):
    with pytest.raises(TpmStructureError, match="safe"):
        parse_attest(attest(*KINDS["quote"][:2], clock=CLOCK[:-1] + bytes([safe])))
    with pytest.raises(TpmStructureError, match="exclusiveSession"):
        parse_attest(attest(0x8016, bytes([safe]) + sized(b"s")))


@pytest.mark.parametrize("count", [0x11, 1 << 16, 1 << 31, (1 << 32) - 1])
def test_a_count_of_selections_that_overflows_is_refused(count):
    body = struct.pack(">IHB", count, 0x0B, 3) + bytes(3) + sized(bytes(32))
    with pytest.raises(TpmStructureError, match="selections"):
        parse_attest(attest(0x8018, body))


@pytest.mark.parametrize("size", [5, 0x80, 0xFF])
def test_a_selection_of_more_registers_than_there_are_is_refused(size):
    body = struct.pack(">IHB", 1, 0x0B, size) + bytes(size) + sized(bytes(32))
    with pytest.raises(TpmStructureError, match="sizeofSelect"):
        parse_attest(attest(0x8018, body))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw):
    for begun in (raw, struct.pack(">I", 0xFF544347) + raw, attest(0x8018, raw), attest(0x8019, raw)):
        try:
            parse_attest(begun)
        except TpmStructureError:
            continue
