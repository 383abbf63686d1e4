"""Expanded JSON-LD as RDF quads, losing nothing: what has no quad is refused (JSON-LD 1.1 API §8).

Each entry of the expanded form becomes a quad here or an error, so nothing can stand in a document that
its canonical form does not hold. Stricter than the algorithm: no generalized RDF, no base direction, no
index, no reverse properties, no repetition in a set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from schemas.strict_json import Json, JsonObject
from verifier.errors import ResourceLimitError, UnsignedClaimError
from verifier.rdf import safe_mode
from verifier.rdf.homes import Homes
from verifier.rdf.literals import RDF, Lexical, lexical

_TYPE: Final = RDF + "type"
_FIRST: Final = RDF + "first"
_REST: Final = RDF + "rest"
_NIL: Final = RDF + "nil"

Kind: TypeAlias = Literal["IRI", "blank node", "literal"]


class Term(NamedTuple):
    """A node or literal of RDF. Blank nodes start with ``_:``; literals have a datatype and perhaps a language."""

    kind: Kind
    value: str
    datatype: str = ""
    language: str = ""


class Quad(NamedTuple):
    """A statement, in the default graph where ``graph`` is None."""

    subject: Term
    predicate: str
    object: Term
    graph: Term | None


def quads_of(expanded: Sequence[Json], *, max_quads: int = 20_000) -> list[Quad]:
    """Return the quads of an expanded document, each once, in the order of the document.

    Blank nodes are labelled ``_:b0``, ``_:b1``, … Raises UnsignedClaimError for what RDF cannot hold,
    MalformedTermError for identifiers, languages and numbers that are not well-formed, ResourceLimitError
    above ``max_quads``.
    """
    writer = _QuadWriter(max_quads, Homes(expanded))
    writer.graph(expanded, None)
    return list(writer.quads)


class _QuadWriter:
    """Collects the quads of one document, whose nodes have to stand where ``homes`` says."""

    def __init__(self, max_quads: int, homes: Homes) -> None:
        self._homes = homes
        self.quads: dict[Quad, None] = {}
        self._max_quads = max_quads
        self._labels: dict[str, Term] = {}
        self._blank_nodes = 0

    def graph(self, items: Sequence[Json], name: Term | None) -> None:
        """Write the nodes of a graph, the default graph where ``name`` is None."""
        for item in items:
            if not isinstance(item, dict) or item.keys() & {"@value", "@list", "@set"} or not item.keys() - {"@id"}:
                raise UnsignedClaimError(
                    "a value or a bare reference stands where only a node with properties is signed"
                )
            self._node(item, name)

    def _node(self, node: JsonObject, graph: Term | None) -> Term:
        self._homes.check(node, in_default_graph=graph is None)
        subject = self._resource(node["@id"]) if "@id" in node else self._blank()
        for key, values in node.items():
            if key == "@id":
                continue
            if not isinstance(values, list) or not values:
                raise UnsignedClaimError(f"{key[:100]!r} has no value, so it is not signed")
            if key == "@graph":
                self.graph(values, subject)
            elif key == "@type":
                self._property(subject, _TYPE, [self._type(value) for value in values], graph)
            elif key.startswith("@"):
                raise UnsignedClaimError(f"the keyword {key[:100]!r} has no place in the signed statements")
            else:
                predicate = safe_mode.iri(key)
                self._property(subject, predicate, [self._object(value, graph) for value in values], graph)
        return subject

    def _property(self, subject: Term, predicate: str, objects: list[Term], graph: Term | None) -> None:
        # A set: ["x", "x"] and ["x"], or a term beside its full IRI, have the same signature.
        if len(set(objects)) != len(objects):
            raise UnsignedClaimError(f"a value of {predicate} is repeated; repetition is not signed")
        for term in objects:
            self._emit(Quad(subject, predicate, term, graph))

    def _object(self, value: Json, graph: Term | None) -> Term:
        if not isinstance(value, dict):
            raise UnsignedClaimError("the expanded form holds something that is neither a node nor a value")
        if "@value" in value:
            return _literal(lexical(value))
        if "@list" in value:
            return self._list(value, graph)
        return self._node(value, graph)

    def _list(self, value: JsonObject, graph: Term | None) -> Term:
        items = value["@list"]
        if len(value) != 1 or not isinstance(items, list):
            raise UnsignedClaimError("a list has members that are not signed")
        head = Term("IRI", _NIL)
        for item in reversed(items):
            cell = self._blank()
            self._emit(Quad(cell, _FIRST, self._object(item, graph), graph))
            self._emit(Quad(cell, _REST, head, graph))
            head = cell
        return head

    def _type(self, value: Json) -> Term:
        if isinstance(value, str) and safe_mode.is_relative(value):
            raise UnsignedClaimError("a type is not defined by the contexts, so it is not signed")
        return self._resource(value)

    def _resource(self, identifier: Json) -> Term:
        if isinstance(identifier, str) and identifier.startswith("_:"):
            return self._labels.get(identifier) or self._labels.setdefault(identifier, self._blank())
        return Term("IRI", safe_mode.iri(identifier))

    def _blank(self) -> Term:
        self._blank_nodes += 1
        return Term("blank node", f"_:b{self._blank_nodes - 1}")

    def _emit(self, quad: Quad) -> None:
        self.quads[quad] = None
        if len(self.quads) > self._max_quads:
            raise ResourceLimitError(f"the document makes more than {self._max_quads} statements")


def _literal(value: Lexical) -> Term:
    return Term("literal", value.text, value.datatype, value.language)
