"""Where a document's nodes are described: one place for each that is read, the place where it is looked for.

A signature is over a graph, in which it is all the same where a node is described: beside its ``id`` in
``credentialSubject``, or beside a mention of that ``id`` anywhere else. Whoever holds a document could so move
the end of a credential, the owner of a subject or the suspension list of a status to where no reader of the JSON
looks, or put another node of the graph on top as if that were the credential. All of this is refused here, on
the expanded form, in which every identifier and every name has one spelling.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from schemas.strict_json import Json, JsonObject
from verifier.errors import UnsignedClaimError

_CREDENTIALS: Final = "https://www.w3.org/2018/credentials#"
_READ: Final = (f"{_CREDENTIALS}credentialSubject", f"{_CREDENTIALS}credentialStatus")
# What makes a node a credential or a presentation that could be put on top.
_DOCUMENT: Final = (f"{_CREDENTIALS}credentialSubject", f"{_CREDENTIALS}verifiableCredential")


class Homes:
    """The nodes of one expanded document that are read, each with the one object that may describe it."""

    def __init__(self, expanded: Sequence[Json]) -> None:
        """Find the document's own node, its subjects and its status entries.

        Raises UnsignedClaimError where two of these are one node.
        """
        root = expanded[0] if len(expanded) == 1 else None
        self._root: JsonObject = root if isinstance(root, dict) else {}
        self._homes: dict[str, JsonObject] = {}
        for node in (self._root, *_read_of(self._root)):
            identifier = node.get("@id")
            if not isinstance(identifier, str):
                continue
            if identifier in self._homes:
                raise UnsignedClaimError(
                    f"{identifier[:100]!r} is the document, its subject or its status in two places; it may be only one"
                )
            self._homes[identifier] = node

    def check(self, node: JsonObject, *, in_default_graph: bool) -> None:
        """Return if ``node`` may be described where it stands. Raises UnsignedClaimError.

        What stands in a graph of its own (a credential within this one) can be moved within that graph only.
        """
        if len(node) == 1 and "@id" in node:
            return  # a mention, which says nothing
        home = self._homes.get(str(node.get("@id")))
        if home is not None and home is not node and (in_default_graph or home is self._root):
            raise UnsignedClaimError(
                f"{str(node['@id'])[:100]!r} is described in a second place; all that is said of the document, its "
                "subject or its status belongs in one"
            )
        if (
            in_default_graph
            and node is not self._root
            and any(name in self._root and name in node for name in _DOCUMENT)
        ):
            raise UnsignedClaimError("a second document stands among the statements of this one; either could be read")


def _read_of(root: JsonObject) -> Iterator[JsonObject]:
    for name in _READ:
        values = root.get(name)
        for value in values if isinstance(values, list) else ():
            if isinstance(value, dict) and "@value" not in value:
                yield value
