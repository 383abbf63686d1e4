"""Decimals as nodes post them: canonical strings, or JSON numbers taken at their shortest decimal form."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from schemas import decimals
from schemas.errors import FormatError, MalformedValueError, SchemaInvalidError
from schemas.lexical import DECIMAL, shown
from schemas.strict_json import Json, JsonObject

_LONGEST: Final = 37  # 18 digits, the point, 18 decimals


@dataclass(frozen=True, slots=True)
class Quantity:
    """A non-negative decimal with at most ``places`` decimals and at most ``largest``.

    ``finer`` says in an error why more decimals are not taken.
    """

    places: int
    largest: Decimal
    finer: str

    def read(self, value: Json, path: str) -> Decimal:
        """Return the exact value. Raises SchemaInvalidError (no number), MalformedValueError (not canonical, range)."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise SchemaInvalidError(f"{path}: a decimal string is expected, not {shown(value)}")
        number = _canonical(value, path) if isinstance(value, str) else Decimal(repr(value)).normalize()
        if number < 0 or number > self.largest:
            raise MalformedValueError(f"{path}: {shown(str(value))} is not between 0 and {self.largest}")
        if _places(number) > self.places:
            raise MalformedValueError(f"{path}: {shown(str(value))} has more than {self.places} decimals; {self.finer}")
        return number

    def check(self, value: Json, path: str) -> None:
        """Raise as read."""
        self.read(value, path)

    def schema(self) -> JsonObject:
        """Return the schema: a canonical string of few enough decimals, or a number."""
        fraction = rf"(?:\.[0-9]{{0,{self.places - 1}}}[1-9])?"
        text: JsonObject = {"type": "string", "pattern": rf"^(?:(?:0|[1-9][0-9]{{0,17}}){fraction})$"}
        number: JsonObject = {"type": "number", "minimum": 0, "maximum": int(self.largest)}
        return {"anyOf": [text, number]}


def _places(number: Decimal) -> int:
    """Return how many decimals ``number`` has."""
    return max(0, -int(number.as_tuple().exponent))


def _canonical(text: str, path: str) -> Decimal:
    if not DECIMAL.fits(text):
        raise MalformedValueError(f"{path}: {shown(text)} is not {DECIMAL.expected}{_canonical_spelling(text)}")
    return Decimal(text)


def _canonical_spelling(text: str) -> str:
    """Return the hint that shows how to write ``text``; empty where it is no decimal at all."""
    if len(text) > _LONGEST or not text.isascii() or "_" in text:
        return ""
    try:
        return f'; write "{decimals.render(Decimal(text))}"'
    except (FormatError, InvalidOperation):
        return ""
