"""Closed shapes of JSON: what decoding accepts, and the JSON Schema that says the same.

Each kind of value knows both sides, so that a published schema cannot drift from the decoder. The same
signature fits many JSON spellings (``"x"``, ``["x"]``, ``{"@value": "x"}``, a full IRI as key): only the
one spelling described here is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from schemas.errors import SchemaInvalidError
from schemas.lexical import Lexical, shown
from schemas.presence import Rule, at
from schemas.strict_json import Json, JsonObject


class Value(Protocol):
    """What may stand as a member's value."""

    def check(self, value: Json, path: str) -> None:
        """Raise SchemaInvalidError or MalformedValueError, naming ``path``, unless ``value`` fits."""

    def schema(self) -> JsonObject:
        """Return the JSON Schema (draft 2020-12) of this value."""


@dataclass(frozen=True, slots=True)
class Text:
    """A JSON string that follows a lexical rule."""

    lexical: Lexical

    def check(self, value: Json, path: str) -> None:
        """Raise unless ``value`` is a string of the lexical rule."""
        if not isinstance(value, str):
            raise SchemaInvalidError(
                f"{path}: {self.lexical.expected} is expected, as a JSON string, not {shown(value)}"
            )
        self.lexical.check(value, path)

    def schema(self) -> JsonObject:
        """Return the schema: type, anchored pattern, length, format."""
        schema: JsonObject = {"type": "string", "pattern": f"^(?:{self.lexical.pattern})$"}
        if self.lexical.max_length is not None:
            schema["maxLength"] = self.lexical.max_length
        if self.lexical.date_format is not None:
            schema["format"] = self.lexical.date_format
        return schema


@dataclass(frozen=True, slots=True)
class Flag:
    """A JSON boolean."""

    def check(self, value: Json, path: str) -> None:
        """Raise unless ``value`` is true or false."""
        if not isinstance(value, bool):
            raise SchemaInvalidError(f"{path}: true or false is expected, not {shown(value)}")

    def schema(self) -> JsonObject:
        """Return the schema."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few strings."""

    values: tuple[str, ...]

    def check(self, value: Json, path: str) -> None:
        """Raise unless ``value`` is one of the strings."""
        if not isinstance(value, str) or value not in self.values:
            raise SchemaInvalidError(f"{path}: {shown(value)} is not {' | '.join(self.values)}")

    def schema(self) -> JsonObject:
        """Return the schema: const for one string, else enum."""
        return {"const": self.values[0]} if len(self.values) == 1 else {"enum": list(self.values)}


@dataclass(frozen=True, slots=True)
class OneOfLists:
    """One of a few exact arrays of strings, order included: the values of ``type``."""

    lists: tuple[tuple[str, ...], ...]

    def check(self, value: Json, path: str) -> None:
        """Raise unless ``value`` is one of the arrays."""
        if not isinstance(value, list) or not any(value == list(choice) for choice in self.lists):
            choices = " | ".join(str(list(choice)).replace("'", '"') for choice in self.lists)
            raise SchemaInvalidError(f"{path}: {shown(value)} is not {choices}")

    def schema(self) -> JsonObject:
        """Return the schema: const for one array, else enum."""
        choices: list[Json] = [list(choice) for choice in self.lists]
        return {"const": choices[0]} if len(choices) == 1 else {"enum": choices}


@dataclass(frozen=True, slots=True)
class ArrayOf:
    """An array of at least one item, none twice: repetition is not signed."""

    item: Value

    def check(self, value: Json, path: str) -> None:
        """Raise unless ``value`` is a non-empty array whose items fit."""
        if not isinstance(value, list) or not value:
            raise SchemaInvalidError(f"{path}: an array of at least one item is expected, not {shown(value)}")
        for index, item in enumerate(value):
            self.item.check(item, f"{path}[{index}]")
        if len({json.dumps(item, sort_keys=True) for item in value}) != len(value):
            raise SchemaInvalidError(f"{path}: an item stands twice")

    def schema(self) -> JsonObject:
        """Return the schema."""
        return {"type": "array", "minItems": 1, "uniqueItems": True, "items": self.item.schema()}


@dataclass(frozen=True, slots=True)
class AnyArray:
    """A non-empty array of anything: ``@context``, which is judged elsewhere."""

    def check(self, value: Json, path: str) -> None:
        """Raise unless ``value`` is a non-empty array."""
        if not isinstance(value, list) or not value:
            raise SchemaInvalidError(f"{path}: an array of at least one item is expected, not {shown(value)}")

    def schema(self) -> JsonObject:
        """Return the schema."""
        return {"type": "array", "minItems": 1}


@dataclass(frozen=True, slots=True)
class Shape:
    """A closed JSON object: its members, those required, and the rules between them."""

    members: Mapping[str, Value]
    required: frozenset[str]
    rules: tuple[Rule, ...] = ()

    def check(self, value: Json, path: str) -> None:
        """Raise unless ``value`` is an object of exactly this shape."""
        if not isinstance(value, dict):
            raise SchemaInvalidError(f"{path or 'document'}: a JSON object is expected, not {shown(value)}")
        for name, member in value.items():
            expected = self.members.get(name)
            if expected is None:
                raise SchemaInvalidError(f"{at(path, shown(name)[1:-1])}: no such member is defined")
            expected.check(member, at(path, name))
        for name in self.members:
            if name in self.required and name not in value:
                raise SchemaInvalidError(f"{at(path, name)}: required member missing")
        for rule in self.rules:
            rule.check(value, path)

    def schema(self) -> JsonObject:
        """Return the schema: closed, with the rules under allOf."""
        schema: JsonObject = {
            "type": "object",
            "additionalProperties": False,
            "required": [name for name in self.members if name in self.required],
            "properties": {name: member.schema() for name, member in self.members.items()},
        }
        if self.rules:
            schema["allOf"] = [rule.schema() for rule in self.rules]
        return schema


@dataclass(frozen=True, slots=True)
class ByType:
    """One of a few shapes, told apart by the first entry of ``type``."""

    shapes: Mapping[str, Shape]

    def check(self, value: Json, path: str) -> None:
        """Raise unless ``value`` is an object of the shape that its type names."""
        if not isinstance(value, dict):
            raise SchemaInvalidError(f"{path}: a JSON object is expected, not {shown(value)}")
        types = value.get("type")
        shape = self.shapes.get(types[0]) if isinstance(types, list) and types and isinstance(types[0], str) else None
        if shape is None:
            raise SchemaInvalidError(f"{path}.type: {shown(types)} is not an array of {' | '.join(self.shapes)}")
        shape.check(value, path)

    def schema(self) -> JsonObject:
        """Return the schema."""
        return {"oneOf": [shape.schema() for shape in self.shapes.values()]}
