"""What a command prints: text for people, or JSON for programs. Both come from the same values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.strict_json import Json, JsonObject


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a command.

    ``value`` is what --json prints. Text shows ``heading`` and, where ``columns`` are named, ``value`` (or its
    ``items``) as a table of them, then the lines of ``advice``.
    """

    value: Json
    heading: str = ""
    columns: Sequence[str] = ()
    advice: Sequence[str] = field(default_factory=tuple)

    def render(self, *, as_json: bool) -> str:
        """Return what to print, without the last newline."""
        if as_json:
            return json.dumps(self.value, indent=2, ensure_ascii=True)
        parts = [self.heading] if self.heading else []
        rows = self.value.get("items") if isinstance(self.value, dict) else self.value
        if self.columns and isinstance(rows, list):
            parts.append(table([row for row in rows if isinstance(row, dict)], self.columns))
        parts.extend(self.advice)
        return "\n".join(parts)


def table(rows: Sequence[JsonObject], columns: Sequence[str]) -> str:
    """Return rows under their headings, in columns; "(none)" where there are no rows."""
    if not rows:
        return "(none)"
    lines = [[_heading(column) for column in columns], *([cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def cell(value: Json) -> str:
    """Return one value as text; nothing in it can move a terminal's cursor."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(cell(item) for item in value)
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
    return text if text.isprintable() else ascii(text)[1:-1]


def _heading(column: str) -> str:
    return column.replace("_", " ").upper()
