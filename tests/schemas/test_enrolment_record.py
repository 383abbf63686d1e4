"""Enrolment records and opening quotes: closed shapes in their JCS bytes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import base64url, digests, jcs
from schemas.enrolment_record import build_enrolment, enrolment_digest, parse_enrolment
from schemas.errors import FormatError, MalformedValueError, ParsingError, ResourceLimitError, SchemaInvalidError
from schemas.opening_quote import build_boot_event, opening_of, parse_boot_event
from tests.fakes.windows import WindowWorld
from tests.verifier.bundles import boot_event

PLACE = WindowWorld()
RAW = PLACE.enrolment
MEMBERS = json.loads(RAW)
EVENT = json.loads(boot_event(PLACE))


def refused(error, parse=parse_enrolment, members=MEMBERS, **changes):
    changed = {name: value for name, value in {**members, **changes}.items() if value is not ...}
    with pytest.raises(error):
        parse(jcs.canonical_bytes(changed))


def test_a_record_goes_there_and_back():
    record = parse_enrolment(RAW)
    assert build_enrolment(record) == RAW
    assert enrolment_digest(RAW) == digests.digest(RAW)
    assert (record.enrolment_class, record.node_id, record.chain_pcr) == ("tpm-hardware", "node-7", 15)
    assert record.ak == digests.digest(record.ak_bytes)
    assert record.ek == digests.digest(record.ek_bytes)


def test_a_boot_event_goes_there_and_back():
    raw = jcs.canonical_bytes(EVENT)
    assert build_boot_event(parse_boot_event(raw)) == raw


def test_an_opening_has_a_nonce_and_a_window_before_where_there_are_any():
    opening = opening_of(b"a", b"s", {0: bytes(32)}, nonce=bytes(32), previous=digests.digest(b"x"))
    assert (opening.nonce_bytes, opening.attest_bytes, opening.values) == (bytes(32), b"a", {0: bytes(32)})
    assert opening_of(b"a", b"s", {}).nonce_bytes == b""


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_every_member_is_required(name):
    refused(SchemaInvalidError, **{name: ...})


@pytest.mark.parametrize(
    "changes",
    [
        {"class": "software"},
        {"class": "simulated"},
        {"extra": 1},
        {"v": 2},
        {"v": True},
        {"enrolled_us": -1},
        {"enrolled_us": 1.5},
        {"chain_pcr": 10},
        {"chain_pcr": 16},
        {"chain_pcr": 24},
        {"ek_certificates": []},
        {"ek_certificates": [digests.digest(b"x")] * 2},
        {"ek_certificates": [digests.digest(bytes([n])) for n in range(9)]},
        {"ek_certificates": "x"},
        {"opening": {}},
        {"opening": {**MEMBERS["opening"], "nonce": "AA"}},
        {"ek_public": base64url.encode(bytes(10_000))},
        {"key": "urn:x"},
        {"supersedes": "x"},
        {"node_id": "../x"},
    ],
)
def test_another_shape_is_refused(changes):
    refused(FormatError, **changes)


@pytest.mark.parametrize("name", ["ak", "ek"])
def test_a_digest_of_another_key_is_refused(name):
    refused(MalformedValueError, **{name: digests.digest(b"other")})


def test_a_virtual_tpm_may_have_no_certificate_and_hardware_must():
    virtual = jcs.canonical_bytes({**MEMBERS, "class": "tpm-virtual", "ek_certificates": []})
    assert parse_enrolment(virtual).ek_certificates == ()


def test_only_the_canonical_bytes_are_read():
    with pytest.raises(ParsingError):
        parse_enrolment(json.dumps(MEMBERS).encode())
    with pytest.raises(ParsingError):
        parse_boot_event(json.dumps(EVENT).encode())
    with pytest.raises(ResourceLimitError):
        parse_enrolment(RAW + b" " * 40_000)


@pytest.mark.parametrize("changes", [{"v": 2}, {"node_id": 7}, {"ak": "x"}, {"opening": ...}, {"more": 1}])
def test_a_boot_event_of_another_shape_is_refused(changes):
    refused(SchemaInvalidError, parse_boot_event, EVENT, **changes)


@given(st.integers(0, len(RAW) - 1), st.integers(0, 255))
def test_a_record_with_any_byte_changed_has_another_digest_or_is_refused(position, byte):
    changed = RAW[:position] + bytes([byte]) + RAW[position + 1 :]
    try:
        parse_enrolment(changed)
    except FormatError:
        return
    assert (enrolment_digest(changed) == enrolment_digest(RAW)) == (changed == RAW)
