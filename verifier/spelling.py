"""One spelling for what is read of a stranger's document: its envelope by the contexts' own terms (VC Data Model 1.1 §4).

The same signature fits ``expirationDate``, ``cred:expirationDate`` and the full IRI, ``"x"``, ``["x"]`` and
``{"@id": "x"}``. Whoever holds a document could so hide its end, its status or its owner from a verifier that
reads the JSON. Our own types have a closed shape; here is what any other document has to keep to.
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


def check_spelling(document: JsonObject) -> None:
    """Return if nothing that this verifier reads stands under another name, or where it would not be looked for.

    The document, its proofs and its status entries have no compact or full IRI as a member's name, and no
    keyword but ``@context``; its subjects are objects with neither a keyword nor another spelling of
    ``tenantId``. Raises SchemaInvalidError.
    """
    _check_names({name: member for name, member in document.items() if name != "@context"}, "")
    for node in _NODES:
        for value in objects(document.get(node)):
            _check_names(value, f"{node}.")
    if "credentialSubject" in document:
        _check_subjects(document["credentialSubject"])


def _check_names(node: JsonObject, path: str) -> None:
    for name in node:
        if ":" in name or name.startswith("@"):
            raise SchemaInvalidError(f"{path}{shown(name)[1:-1]}: a member is named by its term here, not by an IRI")


def _check_subjects(member: Json) -> None:
    subjects = objects(member)
    if isinstance(member, list) and len(subjects) != len(member):
        raise SchemaInvalidError("credentialSubject: an object is required, or a list of objects")
    for subject in subjects:
        for name, value in subject.items():
            if name.startswith("@"):
                raise SchemaInvalidError(f"credentialSubject.{shown(name)[1:-1]}: a keyword has no place here")
            is_owner = name.removeprefix(NAMESPACE).removeprefix("gc:") == _OWNER
            if is_owner and not (name == _OWNER and isinstance(value, str)):
                raise SchemaInvalidError(f"credentialSubject.{_OWNER}: one string under this name is required")
