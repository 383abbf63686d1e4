"""Expanded JSON-LD as quads: each entry becomes one, or an error."""

from __future__ import annotations

import pytest

from verifier.errors import MalformedTermError, ResourceLimitError, UnsignedClaimError
from verifier.rdf.quads import Quad, Term, quads_of

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
S = Term("IRI", "urn:s")
O = Term("IRI", "urn:o")  # noqa: E741  # subject and object, as RDF names them
B0, B1 = Term("blank node", "_:b0"), Term("blank node", "_:b1")


def literal(text):
    return Term("literal", text, "http://www.w3.org/2001/XMLSchema#string")


@pytest.mark.parametrize(
    ("node", "quads"),
    [
        ({"@id": "urn:s", "urn:p": [{"@value": "x"}]}, [Quad(S, "urn:p", literal("x"), None)]),
        ({"@id": "urn:s", "urn:p": [{"@id": "urn:o"}]}, [Quad(S, "urn:p", O, None)]),
        ({"@id": "urn:s", "@type": ["urn:o"]}, [Quad(S, RDF + "type", O, None)]),
        ({"urn:p": [{"@id": "urn:o"}]}, [Quad(B0, "urn:p", O, None)]),
        ({"urn:p": [{}]}, [Quad(B0, "urn:p", B1, None)]),
        ({"@id": "_:x", "urn:p": [{"@id": "_:x"}]}, [Quad(B0, "urn:p", B0, None)]),
        (
            {"@id": "urn:s", "urn:p": [{"@graph": [{"@id": "urn:o", "urn:q": [{"@value": "x"}]}]}]},
            [Quad(O, "urn:q", literal("x"), B0), Quad(S, "urn:p", B0, None)],
        ),
        (
            {"@id": "urn:s", "@graph": [{"@id": "urn:o", "urn:q": [{"@value": "x"}]}]},
            [Quad(O, "urn:q", literal("x"), S)],
        ),
        ({"@id": "urn:s", "urn:p": [{"@list": []}]}, [Quad(S, "urn:p", Term("IRI", RDF + "nil"), None)]),
        (
            {"@id": "urn:s", "urn:p": [{"@list": [{"@value": "x"}, {"@value": "x"}]}]},
            [
                Quad(B0, RDF + "first", literal("x"), None),
                Quad(B0, RDF + "rest", Term("IRI", RDF + "nil"), None),
                Quad(B1, RDF + "first", literal("x"), None),
                Quad(B1, RDF + "rest", B0, None),
                Quad(S, "urn:p", B1, None),
            ],
        ),
    ],
)
def test_a_node_becomes_its_statements(node, quads):
    assert quads_of([node]) == quads


def test_a_statement_made_twice_by_two_nodes_is_one_quad():
    node = {"@id": "urn:s", "urn:p": [{"@value": "x"}]}
    assert len(quads_of([node, node])) == 1


def test_a_graph_inside_of_a_graph_is_named_by_its_own_node():
    inner = {"@id": "urn:g", "@graph": [{"@id": "urn:s", "urn:p": [{"@value": "x"}]}]}
    assert quads_of([{"@id": "urn:outer", "@graph": [inner]}]) == [Quad(S, "urn:p", literal("x"), Term("IRI", "urn:g"))]


@pytest.mark.parametrize(
    "node",
    [
        "x",
        None,
        {},
        {"@id": "urn:s"},
        {"@value": "x"},
        {"@list": [{"@value": "x"}]},
        {"@set": [{"@value": "x"}]},
        {"@id": "urn:s", "urn:p": []},
        {"@id": "urn:s", "urn:p": None},
        {"@id": "urn:s", "urn:p": {"@value": "x"}},
        {"@id": "urn:s", "urn:p": ["x"]},
        {"@id": "urn:s", "@graph": []},
        {"@id": "urn:s", "@graph": [{"@id": "urn:o"}]},
        {"@id": "urn:s", "@index": ["i"], "urn:p": [{"@value": "x"}]},
        {"@id": "urn:s", "@reverse": [{"urn:p": [O]}]},
        {"@id": "urn:s", "@included": [{"@id": "urn:o", "urn:p": [{"@value": "x"}]}]},
        {"@id": "urn:s", "urn:p": [{"@value": "x"}, {"@value": "x"}]},
        {"@id": "urn:s", "urn:p": [{"@id": "urn:o"}, {"@id": "urn:o"}]},
        {"@id": "urn:s", "urn:p": [{"@list": [], "@index": "i"}]},
        {"@id": "urn:s", "urn:p": [{"@list": "x"}]},
        {"@id": "urn:s", "@type": ["Undefined"]},
    ],
)
def test_what_has_no_statement_is_refused(node):
    with pytest.raises(UnsignedClaimError):
        quads_of([node])


@pytest.mark.parametrize(
    "node",
    [
        {"@id": "rel", "urn:p": [{"@value": "x"}]},
        {"@id": None, "urn:p": [{"@value": "x"}]},
        {"@id": "urn:s", "rel": [{"@value": "x"}]},
        {"@id": "urn:s", "_:p": [{"@value": "x"}]},
        {"@id": "urn:s", "urn:p": [{"@id": "rel"}]},
        {"@id": "urn:s", "@type": [None]},
    ],
)
def test_a_relative_or_missing_identifier_is_refused(node):
    with pytest.raises(MalformedTermError):
        quads_of([node])


def test_more_statements_than_allowed_are_refused():
    node = {"@id": "urn:s", "urn:p": [{"@value": str(number)} for number in range(11)]}
    with pytest.raises(ResourceLimitError):
        quads_of([node], max_quads=10)
