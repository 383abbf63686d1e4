"""The reference documents, and ways to change one member of them."""

from __future__ import annotations

import copy
import json

import pytest

from schemas.credential import decode
from schemas.errors import FormatError, SchemaInvalidError
from schemas.strict_json import Json, JsonObject
from tests.vectors import FORMATS

CREDENTIALS = ("credential.vc11", "credential-minimal.vc11", "window.vc11", "summary.vc11")

Path = tuple[str | int, ...]


def example(name: str) -> JsonObject:
    """Return a reference document, a copy of its own each time."""
    found: JsonObject = json.loads((FORMATS / f"{name}.json").read_bytes())
    return found


def refused(document: JsonObject, path: str, error: type[FormatError] = SchemaInvalidError) -> None:
    """Hold that decoding refuses ``document`` with ``error``, whose text begins with ``path``."""
    with pytest.raises(error) as caught:
        decode(document)
    assert caught.value.detail.startswith(path), caught.value.detail


def changed(document: JsonObject, path: Path, value: Json) -> JsonObject:
    """Return a copy of ``document`` with ``value`` at ``path``."""
    result = copy.deepcopy(document)
    _parent(result, path)[path[-1]] = value
    return result


def without(document: JsonObject, *paths: Path) -> JsonObject:
    """Return a copy of ``document`` without the members at ``paths``."""
    result = copy.deepcopy(document)
    for path in paths:
        del _parent(result, path)[path[-1]]
    return result


def renamed(document: JsonObject, path: Path, name: str) -> JsonObject:
    """Return a copy of ``document`` in which the member at ``path`` is called ``name``, at the same place."""
    result = copy.deepcopy(document)
    parent = _parent(result, path)
    members = {name if old == path[-1] else old: value for old, value in parent.items()}
    parent.clear()
    parent.update(members)
    return result


def at(document: JsonObject, path: Path) -> Json:
    """Return what stands at ``path``."""
    return _parent(document, path)[path[-1]]


def leaves(value: Json, path: Path = ()) -> list[Path]:
    """Return the paths of all values that are neither object nor array, ``@context`` left out."""
    if isinstance(value, dict):
        return [leaf for name, item in value.items() if name != "@context" for leaf in leaves(item, (*path, name))]
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in leaves(item, (*path, index))]
    return [path]


def objects(value: Json, path: Path = ()) -> list[Path]:
    """Return the paths of all objects below the document itself, ``@context`` left out."""
    found: list[Path] = [path] if isinstance(value, dict) and path else []
    if isinstance(value, dict):
        for name, item in value.items():
            found += [] if name == "@context" else objects(item, (*path, name))
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += objects(item, (*path, index))
    return found


def _parent(document: JsonObject, path: Path):
    place = document
    for step in path[:-1]:
        place = place[step]
    return place
