import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import base64url, digests
from schemas.cmw import MEDIA_TYPE, build_evidence, parse_evidence
from schemas.errors import FormatError, MalformedValueError, ParsingError, ResourceLimitError, SchemaInvalidError
from tests.fakes.soft_tpm import canonical
from tests.vectors import FORMATS

RAW = (FORMATS / "evidence.cmw.json").read_bytes()
EXAMPLE = json.loads(RAW)
OCTETS = "application/octet-stream"


def refused(members, error=SchemaInvalidError):
    with pytest.raises(error):
        parse_evidence(canonical(members))


def pcrs(value):
    raw = value if isinstance(value, bytes) else canonical(value)
    return EXAMPLE | {"pcrs": ["application/json", base64url.encode(raw)]}


def test_the_example_is_read_and_written_byte_for_byte():
    assert build_evidence(parse_evidence(RAW)) == RAW


def test_the_example_is_the_evidence_that_the_credential_names():
    entry = json.loads((FORMATS / "window.vc11.json").read_bytes())["evidence"][0]
    assert (entry["mediaType"], entry["digestMultibase"]) == (MEDIA_TYPE, digests.digest(RAW))
    assert base64url.decode(entry["inlineEvidence"]) == RAW


def test_its_parts_are_bytes():
    evidence = parse_evidence(RAW)
    assert json.loads(evidence.header) == json.loads((FORMATS / "window-header.json").read_bytes())
    assert evidence.attest.startswith(b"\xff\x54\x43\x47\x80\x18")
    assert sorted(evidence.pcrs) == [0, 1, 2, 3, 4, 5, 6, 7, 10, 15]
    assert evidence.banks == {0x0B: evidence.pcrs}


@pytest.mark.parametrize("name", sorted(EXAMPLE))
def test_every_part_is_required(name):
    refused({other: value for other, value in EXAMPLE.items() if other != name})


@pytest.mark.parametrize("name", ["__cmwc_t", "ek", "records", ""])
def test_a_further_part_is_refused(name):
    refused(EXAMPLE | {name: [OCTETS, "AA"]})


@pytest.mark.parametrize("name", sorted(EXAMPLE))
@pytest.mark.parametrize(
    "value",
    [
        "AA",
        [],
        ["AA"],
        {"0": OCTETS},
        None,
        ["text/plain", "AAAA"],
        ["application/json; charset=utf-8", "AAAA"],
        [OCTETS, "AAAA", 1],
        [OCTETS, ""],
        [OCTETS, "A==="],
        [OCTETS, "AB"],
        [OCTETS, 5],
        [OCTETS, None],
        [30, "AAAA"],
        [OCTETS, "A" * 100_000],
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_part_is_its_media_type_and_base64url(name, value):
    refused(EXAMPLE | {name: value}, FormatError)


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps(EXAMPLE).encode(),
        RAW + b"\n",
        RAW[:-1] + b',"ak":["application/octet-stream","AAAA"]}',
        RAW.replace(b"application/json", b"application\\/json"),
        b"[]",
        b"",
    ],
)
def test_bytes_that_are_not_the_canonical_form_are_refused(raw):
    with pytest.raises(ParsingError):
        parse_evidence(raw)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"sha1": {}},
        {"sha256": {}, "sha1": {}},
        {"sha256": {"24": "A" * 43}},
        {"sha256": {"-1": "A" * 43}},
        {"sha256": {"01": "A" * 43}},
        {"sha256": {"0": "A" * 42}},
        {"sha256": {"0": 5}},
        {"sha256": []},
    ],
    ids=str,
)
def test_registers_are_those_of_the_sha256_bank(value):
    refused(pcrs(value), FormatError)


@pytest.mark.parametrize("raw", [b"{}\n", b'{ "sha256":{}}', b'{"sha256":{},"sha256":{}}', b"[]", b"\xff"])
def test_registers_stand_in_canonical_form(raw):
    refused(pcrs(raw), FormatError)


def test_evidence_too_long_or_deep_is_refused_unread():
    with pytest.raises(ResourceLimitError):
        parse_evidence(b" " * (128 * 1024 + 1))
    with pytest.raises(ResourceLimitError):
        parse_evidence(b'{"ak":[[["x"]]]}')


@pytest.mark.parametrize("change", [{"attest": b""}, {"pcrs": {0: bytes(20)}}, {"pcrs": {99: bytes(32)}}])
def test_what_would_be_refused_is_not_written(change):
    with pytest.raises((SchemaInvalidError, MalformedValueError)):
        build_evidence(replace(parse_evidence(RAW), **change))


@given(st.integers(0, len(RAW) - 1), st.binary(max_size=20), st.integers(0, 20))
def test_any_bytes_are_read_or_refused(offset, noise, length):
    raw = RAW[:offset] + noise + RAW[offset + length :]
    try:
        evidence = parse_evidence(raw)
    except FormatError:
        return
    assert build_evidence(evidence) == raw
