"""Canonical N-Quads (RDF 1.2 N-Quads "Canonical form", RDF Dataset Canonicalization §5)."""

from __future__ import annotations

import re
from typing import Final

from verifier.rdf.literals import LANG_STRING, STRING

_ESCAPED = re.compile('[\x00-\x1f"\\\\\x7f]')
_SHORT: Final = {
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
    '"': '\\"',
    "\\": "\\\\",
}


def literal(text: str, datatype: str, language: str = "") -> str:
    """Return a quoted literal: control characters escaped, xsd:string left out, the language tag behind ``@``."""
    quoted = f'"{_ESCAPED.sub(_escape, text)}"'
    if datatype == LANG_STRING:
        return f"{quoted}@{language}"
    return quoted if datatype == STRING else f"{quoted}^^<{datatype}>"


def line(subject: str, predicate: str, value: str, graph: str | None) -> str:
    """Return one statement with its final newline; subject, value and graph in their written form."""
    return f"{subject} <{predicate}> {value} .\n" if graph is None else f"{subject} <{predicate}> {value} {graph} .\n"


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    return _SHORT.get(character) or f"\\u{ord(character):04X}"
