"""A small XML reader for documents of strangers: no document type, so no entities; bounded in elements and depth.

Built on expat alone, which the standard library has: what makes XML dangerous is declared in a document type, and a
document with one is refused at its first byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.parsers import expat

from issuer.carbon.providers.errors import ProviderRefusedError

MAX_ELEMENTS: Final = 50_000
"""A day in quarters of an hour, of twenty types that generate and as many that consume, are 12,000."""

MAX_DEPTH: Final = 12
_BETWEEN: Final = " "


class Element:
    """One element: its local name, its namespace ("" for none), its text without space around it, and its children."""

    __slots__ = ("_pieces", "children", "name", "namespace")

    def __init__(self, namespace: str, name: str) -> None:
        self.namespace = namespace
        self.name = name
        self.children: list[Element] = []
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """Its own character data, trimmed."""
        return "".join(self._pieces).strip()

    def add_text(self, piece: str) -> None:
        """Add character data, which expat gives in pieces."""
        self._pieces.append(piece)

    def all(self, name: str) -> Iterator[Element]:
        """Yield its children of that local name in its own namespace."""
        return (child for child in self.children if child.name == name and child.namespace == self.namespace)

    def find(self, *path: str) -> Element | None:
        """Return the first descendant along local names, or None."""
        found: Element | None = self
        for name in path:
            found = None if found is None else next(found.all(name), None)
        return found

    def value(self, *path: str) -> str:
        """Return the text of the first descendant along local names, "" where it is not there."""
        found = self.find(*path)
        return "" if found is None else found.text


def parse(name: str, raw: bytes) -> Element:
    """Return the root of a provider's XML. Raises ProviderRefusedError for a document type, too much, or no XML."""
    reader = _Reader(name)
    parser = expat.ParserCreate(namespace_separator=_BETWEEN)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.document_type
    parser.EntityDeclHandler = reader.document_type
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    try:
        parser.Parse(raw, True)  # noqa: FBT003 - expat's own: this is all
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise ProviderRefusedError(f"{name} answers with something that is not XML") from error
    return reader.root()


class _Reader:
    def __init__(self, name: str) -> None:
        self._name = name
        self._open: list[Element] = []
        self._root: Element | None = None
        self._left = MAX_ELEMENTS

    def document_type(self, *_declared: object) -> None:
        raise ProviderRefusedError(f"{self._name} answers with XML that declares a document type, which is not read")

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        namespace, _, name = tag.rpartition(_BETWEEN)
        element = Element(namespace, name)
        self._left -= 1
        if self._left < 0 or len(self._open) >= MAX_DEPTH:
            raise ProviderRefusedError(f"{self._name} answers with more XML, or deeper, than is read")
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)

    def end(self, _tag: str) -> None:
        self._open.pop()

    def characters(self, piece: str) -> None:
        self._open[-1].add_text(piece)

    def root(self) -> Element:
        if self._root is None:
            raise ProviderRefusedError(f"{self._name} answers with XML without an element")
        return self._root
