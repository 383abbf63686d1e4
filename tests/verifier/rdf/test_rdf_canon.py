"""The W3C's tests of RDF Dataset Canonicalization: all 64 evaluations, the maps of labels, the poison graph."""

from __future__ import annotations

import json

import pyoxigraph
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors import shared
from verifier.errors import ResourceLimitError
from verifier.rdf.canonicalize import _Labelling, canonical
from verifier.rdf.quads import Quad, Term

FOLDER = shared("vectors/rdf-canon")
ENTRIES = json.loads((FOLDER / "manifest.jsonld").read_bytes())["entries"]
HASHES = {"SHA256": "sha256", "SHA384": "sha384"}


def entries(kind):
    return pytest.mark.parametrize(
        "entry", [entry for entry in ENTRIES if entry["type"] == f"rdfc:{kind}"], ids=lambda entry: entry["id"][1:]
    )


def term(node):
    if isinstance(node, pyoxigraph.NamedNode):
        return Term("IRI", node.value)
    if isinstance(node, pyoxigraph.BlankNode):
        return Term("blank node", f"_:{node.value}")
    return Term("literal", node.value, node.datatype.value, node.language or "")


def read(entry):
    parsed = pyoxigraph.parse(path=str(FOLDER / entry["action"]), format=pyoxigraph.RdfFormat.N_QUADS)
    quads = (
        Quad(
            term(quad.subject),
            quad.predicate.value,
            term(quad.object),
            None if isinstance(quad.graph_name, pyoxigraph.DefaultGraph) else term(quad.graph_name),
        )
        for quad in parsed
    )
    return list(dict.fromkeys(quads))


def hash_name(entry):
    return HASHES[entry.get("hashAlgorithm", "SHA256")]


def test_the_manifest_is_the_one_these_tests_were_written_for():
    kinds = [entry["type"] for entry in ENTRIES]
    assert kinds.count("rdfc:RDFC10EvalTest") == 64
    assert kinds.count("rdfc:RDFC10NegativeEvalTest") == 1


@entries("RDFC10EvalTest")
def test_the_canonical_form_is_the_expected_one(entry):
    expected = (FOLDER / entry["result"]).read_bytes()
    assert canonical(read(entry), hash_name=hash_name(entry)) == expected


@entries("RDFC10MapTest")
def test_the_labels_are_the_expected_ones(entry):
    labels = _Labelling(read(entry), 2_000, hash_name(entry)).labels()
    issued = {old.removeprefix("_:"): new.removeprefix("_:") for old, new in labels.items()}
    assert issued == json.loads((FOLDER / entry["result"]).read_bytes())


@entries("RDFC10NegativeEvalTest")
def test_the_poison_graph_ends_at_the_budget(entry):
    with pytest.raises(ResourceLimitError):
        canonical(read(entry), hash_name=hash_name(entry))


nodes = st.sampled_from([Term("blank node", f"_:x{number}") for number in range(4)] + [Term("IRI", "urn:a")])
objects = nodes | st.sampled_from([Term("literal", "v", "http://www.w3.org/2001/XMLSchema#string")])
graphs = st.none() | nodes
datasets = st.lists(
    st.builds(Quad, nodes, st.sampled_from(["urn:p", "urn:q"]), objects, graphs), min_size=1, max_size=6, unique=True
)


def oxigraph(quads):
    """Return the canonical N-Quads as another, independent engine makes them."""

    def node(value):
        if value.kind == "blank node":
            return pyoxigraph.BlankNode(value.value[2:])
        return pyoxigraph.NamedNode(value.value) if value.kind == "IRI" else pyoxigraph.Literal(value.value)

    dataset = pyoxigraph.Dataset(
        pyoxigraph.Quad(
            node(quad.subject),
            pyoxigraph.NamedNode(quad.predicate),
            node(quad.object),
            node(quad.graph) if quad.graph else pyoxigraph.DefaultGraph(),
        )
        for quad in quads
    )
    dataset.canonicalize(pyoxigraph.CanonicalizationAlgorithm.RDFC_1_0)
    return b"".join(sorted(f"{quad} .\n".encode() for quad in dataset))


@given(datasets)
def test_another_engine_gives_the_same_form(quads):
    assert canonical(quads) == oxigraph(quads)


@given(datasets, st.randoms(use_true_random=False))
def test_the_form_depends_neither_on_order_nor_on_labels(quads, random):
    names = [f"_:y{number}" for number in range(4)]
    random.shuffle(names)
    renamed = {f"_:x{number}": name for number, name in enumerate(names)}

    def rename(value):
        return value and value._replace(value=renamed.get(value.value, value.value))

    other = [
        quad._replace(subject=rename(quad.subject), object=rename(quad.object), graph=rename(quad.graph))
        for quad in quads
    ]
    random.shuffle(other)
    assert canonical(other) == canonical(quads)
