import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cmw import parse_evidence
from schemas.tpm.attest import Attest, ClockInfo, QuoteInfo, parse_attest
from schemas.tpm.errors import ForeignAttestError, TpmStructureError
from schemas.tpm.pcr import PcrSelection, window_selection
from tests.fakes.soft_tpm import sized
from tests.vectors import FORMATS

EXAMPLE = parse_evidence((FORMATS / "evidence.cmw.json").read_bytes())
CLOCK = struct.pack(">QIIB", 77, 3, 4, 1)
NAME = b"\x00\x0b" + bytes(32)


def attest(kind, body, *, magic=0xFF544347, clock=CLOCK):
    return struct.pack(">IH", magic, kind) + sized(NAME) + sized(b"extra") + clock + struct.pack(">Q", 9) + body


QUOTE = struct.pack(">IHB", 1, 0x0B, 3) + b"\x01\x80\x00" + sized(b"d" * 32)
OTHERS = {
    "certify": (0x8017, sized(NAME) + sized(b"q")),
    "creation": (0x801A, sized(NAME) + sized(b"c")),
    "nv": (0x8014, sized(NAME) + b"\x00\x08" + sized(b"nv")),
    "nv digest": (0x801C, sized(NAME) + sized(b"nv")),
    "time": (0x8019, struct.pack(">Q", 5) + CLOCK + struct.pack(">Q", 6)),
    "session audit": (0x8016, b"\x00" + sized(b"s")),
    "command audit": (0x8015, struct.pack(">QH", 5, 0x0B) + sized(b"a") + sized(b"c")),
}


def test_a_quote_is_read():
    info = QuoteInfo((PcrSelection(0x0B, (0, 15)),), b"d" * 32)
    assert parse_attest(attest(0x8018, QUOTE)) == Attest(NAME, b"extra", ClockInfo(77, 3, 4, safe=True), 9, info)


def test_every_truncation_and_a_byte_more_is_refused():
    raw = attest(0x8018, QUOTE)
    for length in range(len(raw)):
        with pytest.raises(TpmStructureError):
            parse_attest(raw[:length])
    with pytest.raises(TpmStructureError):
        parse_attest(raw + b"\0")


@pytest.mark.parametrize("name", OTHERS)
def test_another_statement_of_a_tpm_is_no_quote(name):
    with pytest.raises(ForeignAttestError):
        parse_attest(attest(*OTHERS[name]))


def test_the_example_is_a_quote_of_a_windows_registers():
    example = parse_attest(EXAMPLE.attest)
    assert example.attested.selections == window_selection()
    assert example.clock_info == ClockInfo(12, 1, 0, safe=True)


@pytest.mark.parametrize("magic", [0, 0xFF544348, 0x474354FF])
def test_another_magic_is_foreign(magic):
    with pytest.raises(ForeignAttestError):
        parse_attest(attest(0x8018, QUOTE, magic=magic))


@pytest.mark.parametrize("kind", [0, 0x8001, 0x801B, 0x8099, 0xFFFF])
def test_another_type_is_foreign(kind):
    with pytest.raises(ForeignAttestError):
        parse_attest(attest(kind, QUOTE))


@pytest.mark.parametrize("safe", [2, 0x80, 0xFF])
def test_a_boolean_that_is_none_is_refused(safe):
    with pytest.raises(TpmStructureError, match="safe"):
        parse_attest(attest(0x8018, QUOTE, clock=CLOCK[:-1] + bytes([safe])))


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
    for begun in (raw, struct.pack(">I", 0xFF544347) + raw, attest(0x8018, raw)):
        try:
            parse_attest(begun)
        except TpmStructureError:
            continue
