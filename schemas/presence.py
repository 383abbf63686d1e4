"""Rules between the members of an object: which may, and which must, stand together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from schemas.errors import SchemaInvalidError
from schemas.strict_json import Json, JsonObject


def at(path: str, name: str) -> str:
    """Return the path of member ``name`` of the object at ``path`` ("" is the document itself)."""
    return f"{path}.{name}" if path else name


class Rule(Protocol):
    """Which members may or must stand together."""

    def check(self, members: Mapping[str, Json], path: str) -> None:
        """Raise SchemaInvalidError unless the members that are present satisfy the rule."""

    def schema(self) -> JsonObject:
        """Return the JSON Schema of the rule."""


@dataclass(frozen=True, slots=True)
class AtMostOne:
    """Of two members not both; exactly one where ``required``."""

    first: str
    second: str
    required: bool = False

    def check(self, members: Mapping[str, Json], path: str) -> None:
        """Raise where both stand, or neither although one is required."""
        present = (self.first in members) + (self.second in members)
        if present > 1 or (self.required and not present):
            bound = "exactly one" if self.required else "at most one"
            raise SchemaInvalidError(f"{at(path, self.first)}: {bound} of {self.first}, {self.second} is expected")

    def schema(self) -> JsonObject:
        """Return the schema: oneOf for exactly one, else not both."""
        if self.required:
            return {"oneOf": [{"required": [self.first]}, {"required": [self.second]}]}
        return {"not": {"required": [self.first, self.second]}}


@dataclass(frozen=True, slots=True)
class Needs:
    """Where a member stands, others must stand too."""

    name: str
    others: tuple[str, ...]

    def check(self, members: Mapping[str, Json], path: str) -> None:
        """Raise where the member stands and another is missing."""
        if self.name not in members:
            return
        for other in self.others:
            if other not in members:
                raise SchemaInvalidError(f"{at(path, other)}: missing, since {self.name} stands there")

    def schema(self) -> JsonObject:
        """Return the schema."""
        return {"dependentRequired": {self.name: list(self.others)}}


def together(*names: str) -> tuple[Rule, ...]:
    """Return the rules that make all of ``names`` stand, or none."""
    return tuple(Needs(name, tuple(other for other in names if other != name)) for name in names)
