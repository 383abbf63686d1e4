"""The safe mode: the 102 published cases, and the rules one by one."""

from __future__ import annotations

import json

import pytest
from pyld import jsonld

from schemas.errors import GreenError
from tests.vectors import shared
from verifier.errors import MalformedTermError, ProofTransformationError, UnsignedClaimError
from verifier.rdf import safe_mode
from verifier.rdf.canonicalize import InProcess, _line
from verifier.rdf.quads import quads_of

CASES = json.loads(shared("vectors/jsonld-safe-mode/cases.json").read_bytes())

NULL_ID = "a null @id comes only from a reserved one, which must not pass: null is refused wherever it stands"
NO_DIRECTION = "no rdfDirection is offered: no proof suite has one, and without it a base direction is not signed"
STRICTER = {
    "toRDF events > reserved > should handle reserved content @id values": NULL_ID,
    "toRDF events > reserved > should handle reserved content id values [1]": NULL_ID,
    "toRDF events > reserved > should handle reserved content id values [2]": NULL_ID,
    "toRDF events > reserved > should handle reserved content id values [3]": NULL_ID,
    "toRDF events > toRDF > should handle null @id": NULL_ID,
    "expand events > values > should have zero counts with empty list": "an empty document signs nothing",
    "toRDF events > toRDF > should handle generalized RDF blank node predicates": "generalized RDF is not RDF",
    "toRDF events > toRDF > should handle no @lang, @dir, rdfDirection=i18n": NO_DIRECTION,
    "toRDF events > toRDF > should handle @lang, @dir, rdfDirection=i18n": NO_DIRECTION,
    "toRDF events > toRDF > should handle ctx @lang/@dir/rdfDirection=i18n": NO_DIRECTION,
    "fromRDF events > fromRDF > should handle no @lang, @dir, rdfDirection=i18n": NO_DIRECTION,
    "fromRDF events > fromRDF > should handle @lang, @dir, rdfDirection=i18n": NO_DIRECTION,
    "expand events > various > expand and toRDF for non-IRI": (
        "a relative IRI is dropped on the way to RDF, where the sister case refuses it; expansion and RDF are one step here"
    ),
}
"""Cases to be accepted that our stricter profile refuses, with the reason. None that is to be refused is accepted."""


def name(case):
    return f"{case['type']} {case['title']}"


def of(verdict):
    return pytest.mark.parametrize("case", [case for case in CASES if case["safe_mode_expected"] == verdict], ids=name)


def expanded(case):
    """Return the expanded form: of PyLD's own making where the case starts from RDF or is expanded already."""
    if case["type"] == "fromRDF":
        return jsonld.from_rdf(nquads_of_case(case["input"]), {"rdfDirection": case["options"].get("rdfDirection")})
    if case["options"].get("skipExpansion"):
        return case["input"]
    return InProcess(inline_contexts=True).expand(case["input"])


def nquads_of_case(dataset):
    if isinstance(dataset, str):
        return dataset if dataset.endswith("\n") else dataset + "\n"
    (quad,) = dataset
    value = quad["object"]
    subject, predicate, datatype = quad["subject"]["value"], quad["predicate"]["value"], value["datatype"]["value"]
    return f'<{subject}> <{predicate}> "{value["value"]}"^^<{datatype}> .\n'


def rdf(form):
    return "".join(sorted(_line(quad, str) for quad in quads_of(form)))


def test_the_cases_are_those_that_these_tests_were_written_for():
    assert [case["safe_mode_expected"] for case in CASES].count("reject") == 67
    assert len(CASES) == 102


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::UserWarning")
@of("reject")
def test_what_would_lose_something_is_refused(case):
    with pytest.raises((UnsignedClaimError, MalformedTermError, ProofTransformationError)):
        quads_of(expanded(case))


@of("accept")
def test_what_loses_nothing_is_accepted_with_the_expected_output(case):
    if name(case) in STRICTER:
        with pytest.raises(GreenError):
            quads_of(expanded(case))
        return
    form = expanded(case)
    if case["type"] == "toRDF":
        assert rdf(form) == case["expected"]
    else:
        assert form == case["expected"]
        assert rdf(form)


def test_every_deviation_is_a_case_with_a_reason():
    assert STRICTER.keys() <= {name(case) for case in CASES if case["safe_mode_expected"] == "accept"}
    assert all(STRICTER.values())


def canonicalized(document):
    return InProcess(inline_contexts=True).canonicalize(document)


@pytest.mark.parametrize(
    "member",
    [
        {"undefined": "x"},
        {"": "x"},
        {"@foo": "x"},
        {"_:p": "x"},
        {"urn:p": None},
        {"urn:p": [None]},
        {"urn:p": []},
        {"urn:p": {"@set": []}},
        {"urn:p": {"@value": None}},
        {"urn:p": {"@value": "x", "@language": None}},
        {"urn:p": {"@value": "x", "@type": None}},
        {"urn:p": {"@value": "x", "@index": "i"}},
        {"urn:p": {"@value": "x", "@direction": "ltr"}},
        {"urn:p": {"@id": "urn:o", "@index": "i"}},
        {"@nest": {"urn:p": "x"}},
        {"@included": {"urn:p": "x"}},
        {"@reverse": {"urn:p": {"@id": "urn:o"}}},
        {"@reverse": {}},
        {"@graph": []},
        {"@graph": ["x"]},
        {"@graph": [{"@id": "urn:o"}]},
        {"@graph": [{"@set": []}]},
        {"@type": []},
        {"@type": "Undefined"},
        {"@type": ["urn:T", "Undefined"]},
        {"urn:p": ["x", "x"]},
        {"urn:p": ["x", {"@value": "x"}]},
        {"urn:p": [{"@id": "urn:o"}, {"@id": "urn:o", "urn:q": "x"}]},
        {"@type": ["urn:T", "urn:T"]},
        {"urn:p": 0.1 + 2**-55},
        {"urn:p": 10**21 + 1},
    ],
)
def test_a_member_beside_signed_ones_that_is_not_signed_itself_is_refused(member):
    with pytest.raises(UnsignedClaimError):
        canonicalized({"@id": "urn:s", "urn:signed": "y", **member})


@pytest.mark.parametrize(
    "member",
    [
        {"@type": "Undefined"},
        {"@id": "relative"},
        {"@id": ""},
        {"@id": "//host/path"},
        {"@id": "#fragment"},
        {"@id": "@reserved"},
        {"@id": "@type"},
        {"@id": "urn:a b"},
        {"@id": "urn:a<b>"},
        {"@id": 'urn:a"b'},
        {"@id": "urn:a\\b"},
        {"@id": "urn:a`b"},
        {"@id": "urn:a\x7f"},
        {"@id": "urn:a\ud800"},
        {"@id": "1urn:a"},
        {"@id": f"{safe_mode.RELATIVE_BASE}x"},
        {"urn:p": {"@id": "relative"}},
        {"urn:p": {"@value": "x", "@type": "relative"}},
        {"urn:p": {"@value": "x", "@language": "e n"}},
        {"urn:p": {"@value": "x", "@language": "abcdefghi"}},
        {"urn:p": "\ud800"},
        {"urn:p": float("nan")},
        {"urn:p": float("inf")},
        {"urn:p": 10**400},
    ],
)
def test_a_malformed_identifier_or_value_is_refused(member):
    with pytest.raises((MalformedTermError, UnsignedClaimError, ProofTransformationError)):
        canonicalized({"@id": "urn:s", "urn:signed": "y", **member})


@pytest.mark.parametrize(
    ("definition", "value"),
    [
        ({"@container": "@index"}, {"a": "x"}),
        ({"@container": "@id"}, {"urn:a": {"urn:p": "x"}}),
        ({"@container": "@type"}, {"urn:T": {"urn:p": "x"}}),
        ({"@container": ["@graph", "@index"]}, {"a": {"urn:p": "x"}}),
        ({"@container": "@language"}, {}),
        ({"@container": "@language"}, {"en": []}),
        ({"@container": "@language"}, {"en": None}),
        ({"@container": "@language"}, {"en": ["x", None]}),
        ({"@type": "@json"}, None),
        ({"@container": "@list"}, None),
        ({"@container": "@set"}, []),
    ],
)
def test_a_map_or_container_that_loses_something_is_refused(definition, value):
    document = {"@context": {"t": {"@id": "urn:t", **definition}}, "urn:signed": "y", "t": value}
    with pytest.raises(UnsignedClaimError):
        canonicalized(document)


@pytest.mark.parametrize(
    ("definition", "value", "lines"),
    [
        ({}, "x", ['_:c14n0 <urn:t> "x" .']),
        ({"@container": "@set"}, ["x"], ['_:c14n0 <urn:t> "x" .']),
        ({"@container": "@language"}, {"en": "x", "@none": "y"}, ['_:c14n0 <urn:t> "x"@en .', '_:c14n0 <urn:t> "y" .']),
        (
            {"@container": "@list"},
            [],
            ["_:c14n0 <urn:t> <http://www.w3.org/1999/02/22-rdf-syntax-ns#nil> ."],
        ),
        (
            {"@type": "@json"},
            {"b": None, "a": []},
            ['_:c14n0 <urn:t> "{\\"a\\":[],\\"b\\":null}"^^<http://www.w3.org/1999/02/22-rdf-syntax-ns#JSON> .'],
        ),
        ({"@type": "@id"}, "urn:o", ["_:c14n0 <urn:t> <urn:o> ."]),
        ({"@container": "@index"}, "x", ['_:c14n0 <urn:t> "x" .']),
    ],
)
def test_what_is_signed_whole_is_accepted(definition, value, lines):
    document = {"@context": {"t": {"@id": "urn:t", **definition}}, "t": value}
    assert canonicalized(document).decode().splitlines() == lines


def test_a_second_name_for_a_signed_value_is_refused():
    document = {"@context": {"t": "urn:t"}, "@id": "urn:s", "t": "x", "urn:t": "x"}
    with pytest.raises(UnsignedClaimError, match="repeated"):
        canonicalized(document)


@pytest.mark.parametrize("tag", ["en", "EN-us", "zh-Hant-TW", "x-a1"])
def test_a_language_tag_is_accepted(tag):
    assert safe_mode.language(tag) == tag


@pytest.mark.parametrize("value", ["urn:a", "https://example.com/ä?b#c", "did:web:x%3A8080#k", "a+.-:b"])
def test_an_absolute_iri_is_accepted(value):
    assert safe_mode.iri(value) == value
