"""Text of which a reader sees every character: what new names of models and hardware have to be.

Whoever reads a credential, a page or a spreadsheet compares names by eye. Two names that look alike and are not
the same hide what was measured, so a new record's names hold nothing that is invisible, commands a direction of
writing, piles up, or joins what stands before it. Old credentials are read whatever they hold; a verifier warns.

What is not promised: letters of one script that look like another's are letters. So are those of scripts written from
right to left, beside which a display shows digits and signs in another order than they stand in (UAX #9). And what no
version of Unicode known here has assigned is taken, as nobody may lose records by having a newer one.

A variation selector is refused also after an emoji (U+2764 U+FE0F): with and without it, two names would look alike.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Controls, format characters (zero-width, direction marks, tags), private use, surrogates, separators other than the
# space. Categories of the Unicode Character Database, UAX #44 §5.7.1.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp", "Zs"})
_PLANE_ENDS: Final = range(0xFFFF, 0x110000, 0x10000)
# Letters, signs and marks that show nothing: the rest of Default_Ignorable_Code_Point (DerivedCoreProperties.txt),
# with its places that are kept for such characters to come; the Braille pattern without a dot, the Khitan filler, the
# null note head, and what stands for an object that is not there. Noncharacters never become characters.
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufdd0-\ufdef\ufe00-\ufe0f\uffa0\ufff0-\ufffc"
    "\U00016fe4\U0001d159\U000e0000-\U000e0fff" + "".join(f"{chr(end - 1)}{chr(end)}" for end in _PLANE_ENDS) + "]"
)
_MOST_MARKS: Final = 3
"""Marks in a row that a letter of any script needs; more are heaped upon the lines around it."""


def why_not_plain(text: str) -> str | None:
    """Return which character of ``text`` a reader would not see or would take for another's, in words, or None."""
    if text.isascii() and text.isprintable() and "  " not in text and text == text.strip(" "):
        return None
    for character in text:
        if character != " " and (unicodedata.category(character) in _UNSEEN or _BLANK.match(character)):
            return f"it holds U+{ord(character):04X}, which shows nothing or changes how its neighbours are read"
    if "  " in text or text != text.strip(" "):
        return "it holds spaces at an end, or two in a row"
    if unicodedata.category(text[:1] or " ").startswith("M"):
        return f"it begins with U+{ord(text[0]):04X}, which joins whatever stands before it"
    if (place := _heap_of_marks(text)) is not None:
        return f"it holds more than {_MOST_MARKS} combining marks in a row (U+{ord(text[place]):04X})"
    if not unicodedata.is_normalized("NFC", text):
        return "it is not in Unicode's composed form (NFC), so the same name has a second spelling"
    return None


def _heap_of_marks(text: str) -> int | None:
    """Return where a combining mark stands that is one too many in a row, or None."""
    row = 0
    for place, character in enumerate(text):
        row = row + 1 if unicodedata.category(character).startswith("M") else 0
        if row > _MOST_MARKS:
            return place
    return None
