"""Text of which a reader sees every character: what new names of models and hardware have to be.

Whoever reads a credential, a page or a spreadsheet compares names by eye. Two names that look alike and are not
the same hide what was measured, so a new record's names hold nothing that is invisible, reorders its
neighbours, or joins what stands before it. Old credentials are read whatever they hold; a verifier warns.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Controls, format characters (zero-width, direction marks, tags), private use, surrogates, unassigned, separators
# other than the space. Categories of the Unicode Character Database, UAX #44 §5.7.1.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp", "Zs"})
# Letters and marks that show nothing: the rest of Default_Ignorable_Code_Point (DerivedCoreProperties.txt), and the
# Braille pattern without a dot.
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


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
    if not unicodedata.is_normalized("NFC", text):
        return "it is not in Unicode's composed form (NFC), so the same name has a second spelling"
    return None
