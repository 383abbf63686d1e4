"""Our own context and vocabulary: by URL, and inline as the last entry of ``@context`` (FORMATS.md "Securing")."""

from __future__ import annotations

import importlib.resources
import json
from typing import Final

from contexts.pinned import GREEN_COMPUTE, Json, JsonObject, load

URL: Final = GREEN_COMPUTE
"""The URL that the context is published at."""

NAMESPACE: Final = "https://w3id.org/green-compute#"
"""Prefix of every term's IRI. No version in it: a term never changes its meaning."""

_DATA: Final = importlib.resources.files("contexts") / "data"

DOCUMENT: Final = (_DATA / "green-compute-v1.jsonld").read_bytes()
"""The bytes that the URL serves: ``{"@context": …}``."""

INLINE: Final = (_DATA / "green-compute-v1.inline.json").read_bytes()
"""The context object as the exact bytes that are spliced into a document."""


def _context() -> JsonObject:
    context = load(URL)["@context"]
    if not isinstance(context, dict) or json.loads(INLINE) != context:
        raise ValueError("the inline context and the published one are not the same JSON")
    return context


CONTEXT: Final[JsonObject] = _context()
"""The context object, equal as JSON to INLINE. Not to be changed."""


def _spelling(value: Json) -> str:
    # Python holds 1 == True == 1.0, JSON does not: compare spellings, with members in one order.
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


_SPELLING: Final = _spelling(CONTEXT)


def is_ours(entry: Json) -> bool:
    """Return whether an entry of ``@context`` is our context: its URL, or an object equal to it as JSON."""
    if isinstance(entry, str):
        return entry == URL
    return isinstance(entry, dict) and len(entry) == len(CONTEXT) and _spelling(entry) == _SPELLING
