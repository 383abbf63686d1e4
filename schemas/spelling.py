"""What somebody may have meant who misspelt a name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable


def near(name: str, known: Iterable[str], shown: Callable[[str], str] = str) -> str:
    """Return ``; near it: …`` with at most three of the known names that look like ``name``, empty where none does.

    ``shown`` says how a name is written where it was misspelt.
    """
    found = difflib.get_close_matches(name, [*known])
    return f"; near it: {', '.join(map(shown, found))}" if found else ""
