"""One spelling for what is read of a stranger's document: its envelope by the contexts' own terms (VC Data Model 1.1 §4).

The same signature fits ``expirationDate``, ``cred:expirationDate`` and the full IRI, ``"x"``, ``["x"]`` and
``{"@id": "x"}``. Whoever holds a document could so hide its end, its status or its owner from a verifier that
reads the JSON. Our own types have a closed shape; here is what any other document has to keep to. That nothing
is moved to another place in the JSON is held by verifier.rdf.homes.
"""

from __future__ import annotations

from typing import Final

from schemas.errors import SchemaInvalidError
from schemas.lexical import shown
from schemas.strict_json import Json, JsonObject
from schemas.terms import NAMESPACE
from verifier.document import objects

_OWNER: Final = "tenantId"
_NODES: Final = ("proof", "credentialStatus")
_SECOND_NAMES: Final = {"expiration": "expires"}
"""Terms of the pinned contexts that are signed as another term, which is the one that is read."""


def check_spelling(document: JsonObject) -> None:
    """Return if nothing that this verifier reads stands under another name, or where it would not be looked for.

    The document, its proofs and its status entries have no compact or full IRI as a member's name, no second
    name for a term that is read, and no keyword but ``@context``; its subjects are objects with neither a keyword nor another spelling of
    ``tenantId``. None of these has a label (``_:b0``) for an id: labels are not signed. Raises SchemaInvalidError.
    """
    _check_names({name: member for name, member in document.items() if name != "@context"}, "")
    for node in _NODES:
        for value in objects(document.get(node)):
            _check_names(value, f"{node}.")
    if "credentialSubject" in document:
        _check_subjects(document["credentialSubject"])


def _check_label(node: JsonObject) -> None:
    # Deeper in the document a label names no node that is read.
    for name in ("id", "@id"):
        label = node.get(name)
        if isinstance(label, str) and label.startswith("_:"):
            raise SchemaInvalidError(f"{name}: {shown(label)} is a blank node's label, which no signature covers")


def _check_names(node: JsonObject, path: str) -> None:
    _check_label(node)
    for name in node:
        if ":" in name or name.startswith("@"):
            raise SchemaInvalidError(f"{path}{shown(name)[1:-1]}: a member is named by its term here, not by an IRI")
        if name in _SECOND_NAMES:
            raise SchemaInvalidError(f"{path}{name}: it is called {_SECOND_NAMES[name]} here")


def _check_subjects(member: Json) -> None:
    subjects = objects(member)
    if isinstance(member, list) and len(subjects) != len(member):
        raise SchemaInvalidError("credentialSubject: an object is required, or a list of objects")
    for subject in subjects:
        _check_label(subject)
        for name, value in subject.items():
            if name.startswith("@"):
                raise SchemaInvalidError(f"credentialSubject.{shown(name)[1:-1]}: a keyword has no place here")
            is_owner = name.removeprefix(NAMESPACE).removeprefix("gc:") == _OWNER
            if is_owner and not (name == _OWNER and isinstance(value, str)):
                raise SchemaInvalidError(f"credentialSubject.{_OWNER}: one string under this name is required")
