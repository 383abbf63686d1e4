"""Untrusted text made safe to show: nothing in it can move the cursor, change colours or turn the line round."""

from __future__ import annotations

import unicodedata
from typing import Final

_MAX_SHOWN: Final = 400
# Controls (ANSI escapes begin with one), formats (bidi marks, zero width), surrogates, line and paragraph separators.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: str, *, limit: int = _MAX_SHOWN) -> str:
    """Return ``text`` with every character that does not show as itself written as its code point in hex.

    At most ``limit`` characters; what is cut is marked by an ellipsis.
    """
    cut = text if len(text) <= limit else f"{text[: limit - 1]}…"
    if cut.isascii() and cut.isprintable():
        return cut
    return "".join(f"\\u{{{ord(char):x}}}" if unicodedata.category(char) in _HIDDEN else char for char in cut)
