"""The lossless check: what JSON-LD expansion would drop, rewrite or leave relative is refused.

JSON-LD ignores what it does not understand: undefined terms and types, null, free-floating values, relative
identifiers. A signature over the canonical form then says nothing of them, and a reader of the JSON sees
them all the same. Two gates close this. Here are the rules that look at each object while it is expanded
(``members``, ``dropped``), and those on single values (``iri``, ``language``, ``text``); in ``quads`` each
entry of the expanded form becomes a statement or an error. Between the two, no member is lost: each is
expanded under an absolute IRI or one of five keywords, its value survives expansion, and every value that
survived is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Final

from schemas.strict_json import Json, JsonObject
from verifier.errors import MalformedTermError, UnsignedClaimError

RELATIVE_BASE: Final = "x-relative-iri://document/"
"""Base IRI given to the processor: whatever is resolved against it was relative, and shows."""

_RELATIVE_SCHEME: Final = "x-relative-iri:"
# RFC 3987 by exclusion: a scheme, then nothing that N-Quads forbids in an IRI, no control, no surrogate.
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>\"{}|\\^`\x7f-\x9f\ud800-\udfff\ufffe\uffff]*")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")
_SURROGATE = re.compile("[\ud800-\udfff]")

# @nest, @included, @reverse, @index and @direction move or lose what they hold, so they are not among them.
_KEYWORDS: Final = frozenset({"@id", "@type", "@value", "@language", "@list", "@set", "@graph"})
_MAPS: Final = frozenset({"@index", "@id", "@type"})


def iri(value: Json) -> str:
    """Return ``value`` if it is a well-formed absolute IRI. Raises MalformedTermError, also where it was relative."""
    if not isinstance(value, str):
        raise MalformedTermError("an identifier is reserved or missing: an absolute IRI is required")
    if is_relative(value):
        raise MalformedTermError(f"{_shown(value)} is relative or malformed: an absolute IRI is required")
    return value


def is_relative(value: str) -> bool:
    """Return whether an expanded identifier is no well-formed absolute IRI."""
    return value.startswith(_RELATIVE_SCHEME) or not _IRI.fullmatch(value)


def language(value: Json) -> str:
    """Return ``value`` if it is a well-formed language tag (BCP 47). Raises MalformedTermError."""
    if not isinstance(value, str) or not _LANGUAGE.fullmatch(value):
        raise MalformedTermError("a language tag is malformed")
    return value


def text(value: str) -> str:
    """Return ``value`` if UTF-8 can hold it. Raises MalformedTermError for a lone surrogate."""
    if _SURROGATE.search(value):
        raise MalformedTermError("a string holds a lone surrogate")
    return value


def members(
    element: JsonObject, expand: Callable[[str], str | None], containers: Callable[[str], Collection[str]]
) -> None:
    """Return if expansion keeps every member of ``element``.

    ``expand`` gives the IRI or keyword that a key stands for in the active context, ``containers`` the
    container mapping of a term. Raises UnsignedClaimError naming the member that would be lost.
    """
    for key, value in element.items():
        if key == "@context":
            continue
        expanded = expand(key)
        if expanded is None or not (expanded in _KEYWORDS or _is_property(expanded)):
            raise UnsignedClaimError(f"the member {key[:100]!r} is not defined by the contexts, so it is not signed")
        if value is None and expanded != "@value":
            raise UnsignedClaimError(f"the member {key[:100]!r} is null, so it is not signed")
        if expanded == "@type" and value == []:
            raise UnsignedClaimError(f"the member {key[:100]!r} is empty, so it is not signed")
        if isinstance(value, dict):
            _check_map(key, value, frozenset(containers(key)))


def dropped(element: Json, result: Json, *, in_list: bool) -> None:
    """Return if expansion made something of ``element``. Raises UnsignedClaimError where it dropped it.

    ``in_list`` says that an empty array is an (empty) list, which is a value, and not an empty set.
    """
    if element is None:
        raise UnsignedClaimError("a null stands among the values, and null is not signed")
    if result is None:
        raise UnsignedClaimError("a value stands where JSON-LD drops it, so it is not signed")
    if result == [] and not in_list:
        raise UnsignedClaimError("an empty array stands in the document, and it is not signed")


def _is_property(expanded: str) -> bool:
    return not expanded.startswith("_:") and not is_relative(expanded)


def _check_map(key: str, value: JsonObject, containers: frozenset[str]) -> None:
    if containers & _MAPS:
        raise UnsignedClaimError(f"the member {key[:100]!r} is an index map, whose keys are not all signed")
    if "@language" in containers and not all(_is_language_entry(entry) for entry in (value or {"": None}).values()):
        raise UnsignedClaimError(f"the member {key[:100]!r} is a language map with nothing in it that is signed")


def _is_language_entry(entry: Json) -> bool:
    return isinstance(entry, str) or (isinstance(entry, list) and bool(entry) and None not in entry)


def _shown(value: str) -> str:
    return repr(value.removeprefix(RELATIVE_BASE)[:100])
