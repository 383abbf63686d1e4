"""Registers: read over several answers, extended, and quoted with every scheme."""

import hashlib

import pytest

from agent.tpm import templates
from agent.tpm.address import parse
from agent.tpm.attestation import quote
from agent.tpm.errors import TpmAnswerError, TpmUnsuitableError
from agent.tpm.keys import lent_primary
from agent.tpm.opening import open_tpm
from agent.tpm.pcrs import extend_pcr, read_pcrs
from schemas.tpm.algorithms import TpmAlg
from schemas.tpm.attest import parse_attest
from schemas.tpm.pcr import composite_digest, window_selection
from tests.fakes.swtpm import Swtpm, manufacture
from tests.fakes.tpm import answer, scripted, signature_holds

BANK = b"\0\0\0\x01\0\x0b\x03"


def test_all_registers_are_read_over_several_answers(tpm):
    values = read_pcrs(tpm, range(24))
    assert list(values) == list(range(24))
    assert values[0] == bytes(32)
    assert values[17] == b"\xff" * 32


def test_a_register_is_extended_by_hashing(tpm):
    digest = hashlib.sha256(b"window").digest()
    extend_pcr(tpm, 15, digest)
    assert read_pcrs(tpm, [15]) == {15: hashlib.sha256(bytes(32) + digest).digest()}


@pytest.mark.parametrize("length", [0, 20, 31, 33])
def test_a_digest_of_another_length_is_never_sent(length):
    tpm, transport = scripted(answer())
    with pytest.raises(ValueError, match="32"):
        extend_pcr(tpm, 15, bytes(length))
    assert not transport.commands


@pytest.mark.parametrize("scheme", ["ecdsa", "rsapss", "rsassa"])
def test_a_quote_holds_by_every_scheme(tpm, scheme):
    selections = window_selection()
    with lent_primary(tpm, templates.attestation_key(scheme, bytes(32))) as ak:
        made = quote(tpm, ak, selections, b"extra")
        assert signature_holds(ak.public, made.attest, made.signature)
        assert not signature_holds(ak.public, made.attest + b"\0", made.signature)
    attest = parse_attest(made.attest)
    values = read_pcrs(tpm, selections[0].indices)
    assert attest.extra_data == b"extra"
    assert attest.attested.selections == selections
    assert attest.attested.pcr_digest == composite_digest(selections, {TpmAlg.SHA256: values}, TpmAlg.SHA256)


def test_a_tpm_without_the_bank_says_how_to_switch_it_on(manufactured, tmp_path):
    emulator = Swtpm(manufacture(tmp_path / "sha1", banks="sha1", ek_certificates=False))
    try:
        with open_tpm(parse(emulator.uri)) as tpm, pytest.raises(TpmUnsuitableError, match="tpm2_pcrallocate"):
            read_pcrs(tpm, [15])
    finally:
        emulator.stop()


@pytest.mark.parametrize(
    "body",
    [
        bytes(4) + b"\0\0\0\x01\0\x0c\x03" + b"\0\x80\0" + b"\0\0\0\x01" + b"\0\x20" + bytes(32),
        bytes(4) + BANK + b"\0\x80\0" + b"\0\0\0\0" + b"\0\x20" + bytes(32),
        bytes(4) + BANK + b"\0\0\x01" + b"\0\0\0\x01" + b"\0\x20" + bytes(32),
        bytes(4) + b"\0\0\0\x01\0\x04\x03" + b"\0\x80\0" + b"\0\0\0\x01" + b"\0\x14" + bytes(20),
        bytes(4) + BANK + b"\0\x80\0" + b"\0\0\0\x02" + (b"\0\x20" + bytes(32)) * 2,
        bytes(4) + BANK + b"\0\x80\0" + b"\0\0\0\x01" + b"\0\x14" + bytes(20),
        bytes(4) + BANK + b"\0\x80\0" + b"\0\0\0\x01" + b"\0\x20" + bytes(31),
        bytes(4) + BANK + b"\0\x80\0" + b"\0\0\0\x01" + b"\0\x20" + bytes(33),
        bytes(4) + b"\xff\xff\xff\xff",
        bytes(4) + b"\0\0\0\0" + b"\0\0\0\x01" + b"\0\x20" + bytes(32),
    ],
    ids=["sha384", "none-counted", "other", "sha1", "two", "20-bytes", "cut", "trailing", "count", "unselected"],
)
def test_registers_that_were_not_asked_for_are_refused(body):
    tpm, _ = scripted(answer(body=body))
    with pytest.raises(TpmAnswerError):
        read_pcrs(tpm, [15])
