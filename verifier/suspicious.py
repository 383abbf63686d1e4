"""Text that does not read as what it is: reversed by direction marks, or spelled in letters of two scripts."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from schemas.strict_json import Json

_DIRECTION: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_WORD: Final = re.compile(r"[^\W\d_]+")
# Scripts whose letters look alike; words that mix them are how a name is imitated (UTS #39 §5.1).
_LOOK_ALIKE: Final = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})


def why_suspicious(text: str) -> str | None:
    """Return why ``text`` may deceive its reader, or None."""
    if text.isascii():
        return None
    if _DIRECTION.search(text):
        return "it holds marks that reverse the direction of reading"
    for word in _WORD.findall(text):
        scripts = {unicodedata.name(letter, "").partition(" ")[0] for letter in word} & _LOOK_ALIKE
        if len(scripts) > 1:
            return f"a word mixes letters of {' and '.join(sorted(scripts)).title()}"
    return None


def strings_within(value: Json) -> list[str]:
    """Return every string value (not the members' names) in a JSON value, in order."""
    found: list[str] = []
    pending: list[Json] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, dict):
            pending.extend(reversed(item.values()))
        elif isinstance(item, list):
            pending.extend(reversed(item))
    return found
