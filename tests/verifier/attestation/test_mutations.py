"""Every single-byte change and every truncation of a valid quote is refused, and nothing but refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cmw import parse_evidence
from schemas.errors import GreenError
from tests.fakes.soft_tpm import P384, RSAPSS, RSASSA, SHA384, Node, SoftTpm
from tests.vectors import FORMATS
from verifier.attestation.attestation_key import check_attestation_key
from verifier.attestation.window import check_window

TPMS = {
    "ECDSA P-256": SoftTpm(),
    "ECDSA P-384": SoftTpm(curve=P384, key_curve=P384, hash_algorithm=SHA384),
    "RSASSA": SoftTpm(scheme=RSASSA),
    "RSAPSS": SoftTpm(scheme=RSAPSS),
}
MADE = {name: Node(tpm=tpm).window().evidence for name, tpm in TPMS.items()}
MADE["the formats' own"] = parse_evidence((FORMATS / "evidence.cmw.json").read_bytes())
PARTS = ("attest", "signature", "ak")
KEYS = {name: check_attestation_key(evidence.ak) for name, evidence in MADE.items()}


def others(byte, name):
    """What a byte is changed to: each bit of it, its neighbours, the ends of its ranges. Other schemes: some of them."""
    ends = {byte ^ 0x01, byte ^ 0x80, byte ^ 0xFF, 0, 0xFF}
    if name in {"ECDSA P-256", "the formats' own"}:
        ends |= {*(byte ^ (1 << bit) for bit in range(8)), (byte + 1) % 256, (byte - 1) % 256, 0x7F, 0x80}
    return ends - {byte}


def refusal(evidence, *, key=None, **changes):
    try:
        check_window(replace(evidence, **changes), key=key)
    except GreenError as error:
        return error
    pytest.fail(f"accepted: {changes}")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", MADE)
def test_every_changed_byte_is_refused(name, part):
    raw = getattr(MADE[name], part)
    # A key that is the same need not be checked each time.
    key = None if part == "ak" else KEYS[name]
    for index in range(len(raw)):
        for value in others(raw[index], name):
            changed = raw[:index] + bytes([value]) + raw[index + 1 :]
            assert refusal(MADE[name], key=key, **{part: changed}).status in (400, 401, 409)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", MADE)
def test_every_truncation_is_refused(name, part):
    raw = getattr(MADE[name], part)
    for length in range(len(raw)):
        assert refusal(MADE[name], **{part: raw[:length]}).status in (400, 401)
        assert refusal(MADE[name], **{part: raw[length + 1 :]}).status in (400, 401)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", MADE)
def test_bytes_behind_a_structure_are_refused(name, part):
    raw = getattr(MADE[name], part)
    for more in (b"\0", b"\xff", raw, bytes(5000)):
        assert refusal(MADE[name], **{part: raw + more}).name == "TPM_STRUCTURE_INVALID"


def test_every_changed_byte_of_a_header_is_refused():
    evidence, key = MADE["ECDSA P-256"], KEYS["ECDSA P-256"]
    for index in range(len(evidence.header)):
        for flip in (0x01, 0x20, 0x80, 0xFF):
            changed = bytearray(evidence.header)
            changed[index] ^= flip
            refusal(evidence, key=key, header=bytes(changed))
        refusal(evidence, key=key, header=evidence.header[:index])


@given(st.data())
def test_a_public_area_with_changed_bytes_is_judged_without_a_crash(data):
    raw = bytearray(data.draw(st.sampled_from([tpm.public for tpm in TPMS.values()])))
    for index in data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=4)):
        raw[index] = data.draw(st.integers(0, 255))
    try:
        key = check_attestation_key(bytes(raw))
    except GreenError:
        return
    # What is still accepted differs in what does not matter: userWithAuth, noDA, a policy, the exponent's spelling.
    assert key.public.encode() == raw
