"""Which disclosure each column is for: data/codes.csv, with its edition. Codes are renumbered; columns keep their names."""

from __future__ import annotations

import csv
import io
from functools import cache
from importlib import resources

from msgspec import Struct


class Code(Struct, frozen=True, kw_only=True):
    """One disclosure that a column serves; ``published`` is the day or year of the edition."""

    column: str
    framework: str
    code: str
    title: str
    edition: str
    published: str
    source: str


@cache
def codes() -> tuple[Code, ...]:
    """Return all codes, in the order of the file."""
    text = (resources.files("issuer.reports") / "data" / "codes.csv").read_text("utf-8")
    return tuple(Code(**row) for row in csv.DictReader(io.StringIO(text)))


@cache
def codes_in_a_cell() -> str:
    """Return all of them as one cell: what is for what, by framework and code."""
    return "; ".join(f"{code.column} = {code.framework} {code.code}" for code in codes())
