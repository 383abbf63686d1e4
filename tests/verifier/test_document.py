"""Documents: the gate, and what a document says it is."""

import json

import pytest

from schemas import digests
from schemas.errors import MalformedValueError, ParsingError, ResourceLimitError
from tests.fakes.verifier import example
from verifier import document
from verifier.document import Kind


def test_a_document_keeps_its_bytes_and_their_digest():
    raw = b'{"type": "VerifiableCredential"}'
    parsed = document.parse(raw)
    assert (parsed.raw, parsed.digest) == (raw, digests.digest(raw))


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"\xef\xbb\xbf{}", ParsingError),
        (b'{"a":1,"a":2}', ParsingError),
        (b"[]", ParsingError),
        (b'{"a":NaN}', ParsingError),
        (b'{"a":"\\u0000"}', MalformedValueError),
        (b"[" * 100_000, ResourceLimitError),
        (b'{"a":"' + b"x" * (512 * 1024) + b'"}', ResourceLimitError),
    ],
    ids=["BOM", "twice", "array", "NaN", "NUL", "deep", "large"],
)
def test_the_gate_refuses_before_anything_is_read(raw, error):
    with pytest.raises(error):
        document.parse(raw)


@pytest.mark.parametrize(
    ("types", "kind"),
    [
        (["VerifiableCredential", "GreenComputeCredential"], Kind.INFERENCE),
        (["VerifiableCredential", "GreenComputeWindowCredential"], Kind.WINDOW),
        (["VerifiableCredential", "GreenComputeSummaryCredential"], Kind.SUMMARY),
        (["VerifiableCredential", "StatusList2021Credential"], Kind.STATUS_LIST),
        (["VerifiableCredential", "UniversityDegreeCredential"], Kind.FOREIGN),
        ("VerifiableCredential", Kind.FOREIGN),
        ("VerifiablePresentation", Kind.PRESENTATION),
        (["VerifiableCredential", "VerifiablePresentation"], Kind.UNKNOWN),
        (["Something"], Kind.UNKNOWN),
        (None, Kind.UNKNOWN),
        ({"a": 1}, Kind.UNKNOWN),
        ("https://w3id.org/green-compute#GreenComputeCredential", Kind.INFERENCE),
        ("gc:GreenComputeCredential", Kind.INFERENCE),
    ],
)
def test_the_kind_is_what_the_type_says_however_it_is_spelled(types, kind):
    assert document.kind_of({"type": types}) is kind


def test_a_presentation_may_be_larger_and_deeper_than_a_credential():
    raw = json.dumps(example("presentation.vc11.json") | {"note": ["x" * 300_000] * 2}).encode()
    with pytest.raises(ResourceLimitError):
        document.parse(raw)
    assert document.parse_any(raw).kind is Kind.PRESENTATION


def test_no_string_of_a_presentation_may_be_larger_than_a_credential():
    raw = json.dumps(example("presentation.vc11.json") | {"note": [{"deep": "x" * 600_000}]}).encode()
    with pytest.raises(ResourceLimitError, match="string"):
        document.parse_presentation(raw)


def test_a_credential_may_not_be_as_large_as_a_presentation():
    raw = json.dumps(example("credential-minimal.vc11.json") | {"note": "x" * 600_000}).encode()
    with pytest.raises(ResourceLimitError):
        document.parse_any(raw)


def test_an_embedded_credential_passes_the_same_gate():
    deep = {"type": "VerifiableCredential"}
    for _ in range(17):
        deep = {"a": deep}
    with pytest.raises(ResourceLimitError):
        document.embedded(deep)


def test_an_embedded_credential_has_the_digest_of_its_canonical_form():
    one, other = document.embedded({"a": "1", "b": "2"}), document.embedded({"b": "2", "a": "1"})
    assert one.digest == other.digest


@pytest.mark.parametrize(
    ("proof", "count"),
    [
        ({"type": "x"}, 1),
        ([{"type": "x"}, {"type": "y"}], 2),
        ({}, 0),
        ([], 0),
        ([{}], 0),
        ("x", 0),
        ([{"a": 1}, "x"], 0),
    ],
)
def test_only_whole_proofs_are_proofs(proof, count):
    assert len(document.proofs_of({"proof": proof})) == count


def test_an_identifier_is_a_string_or_an_objects_id():
    assert document.identifier("did:web:a.example") == "did:web:a.example"
    assert document.identifier({"id": "did:web:a.example", "name": "A"}) == "did:web:a.example"
    assert document.identifier({"name": "A"}) is None
    assert document.identifier(["did:web:a.example"]) is None
