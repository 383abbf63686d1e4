"""The cheap gate on raw bytes, and the JSON behind it.

Everything that comes from outside passes here before any other parser sees it: size, depth, UTF-8,
duplicate members, NaN and Infinity, lone surrogates, control characters (RFC 8259, RFC 7493 I-JSON;
FORMATS.md "Values: string").
"""

from __future__ import annotations

import json
import re
from typing import Final, TypeAlias

from schemas.errors import MalformedValueError, ParsingError, ResourceLimitError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = dict[str, Json]

MAX_BYTES: Final = 512 * 1024
MAX_DEPTH: Final = 16
MAX_VALUES: Final = 524_288
"""Values in one document: 16 MB of empty arrays would become half a gigabyte of them."""

BYTES_A_VALUE: Final = 32
"""Of a document that may have so many bytes, one value for each 32 of them is read at most: 16,384 in a credential
(ours have some 240), 524,288 in a presentation (1,000 of ours have half as many)."""

_LEAST_VALUES: Final = 1024

MAX_MEMBERS: Final = 4096
"""Members of one object: JSON-LD engines sort and look up each (a credential's largest object has some 60)."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

# An unterminated string matches up to the end of input: otherwise each quote in it would be tried as a start of its
# own, in quadratic time. Possessive, since what may be tried again has to be remembered.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
# Strings are cut out run by run: of a million of them at once the pieces between would take 200 MB.
_RUN = re.compile(rb'(?:[^"]*+' + _STRING.pattern + rb'){1,8192}+|[^"]++', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
# C0 controls, DEL, surrogates, U+FFFE and U+FFFF: JSON-LD engines disagree on each of them.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# How they can stand in JSON: escaped, or raw in UTF-8.
_SUSPECTS = (rb"\u", rb"\b", rb"\f", rb"\n", rb"\r", rb"\t", b"\x7f", b"\xef\xbf\xbe", b"\xef\xbf\xbf")


def parse(raw: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Json:
    """Return the JSON value in ``raw``.

    Raises ResourceLimitError (too many bytes, values or members, too deep), ParsingError (not UTF-8, not JSON,
    duplicate members, NaN) and MalformedValueError (a string with a forbidden character).
    """
    if len(raw) > max_bytes:
        raise ResourceLimitError(f"the document has {len(raw)} bytes; at most {max_bytes} are read")
    if not raw.strip():
        raise ParsingError("the document is empty; JSON is expected")
    if raw.startswith(_BYTE_ORDER_MARK):
        raise ParsingError(
            "the document begins with a byte order mark, which JSON may not: save it as UTF-8 without one"
        )
    _check_structure(raw, max_values(max_bytes), max_depth)
    try:
        text = raw.decode("utf-8")
        value: Json = json.loads(
            text,
            object_pairs_hook=_members,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise ParsingError("the document is not UTF-8") from error
    except json.JSONDecodeError as error:
        # A raw control character in a string is a matter of JSON's grammar, so it ends here too.
        raise ParsingError(f"the document is not JSON: {error.msg} at character {error.pos}") from error
    except (ValueError, RecursionError) as error:
        raise ParsingError("the document holds a number that cannot be read") from error
    _check_strings(raw, value)
    return value


def parse_object(raw: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> JsonObject:
    """Return the JSON object in ``raw``; as parse, and ParsingError where it is not an object."""
    value = parse(raw, max_bytes=max_bytes, max_depth=max_depth)
    if not isinstance(value, dict):
        raise ParsingError("a JSON object is required")
    return value


def max_values(max_bytes: int) -> int:
    """Return how many values are read of a document that may have ``max_bytes``."""
    return min(MAX_VALUES, max(_LEAST_VALUES, max_bytes // BYTES_A_VALUE))


def values_at_most(raw: bytes) -> int:
    """Return a number that the values in ``raw`` do not exceed, without parsing; brackets in strings count too."""
    # Each value but the first of its array or object stands behind a comma, the first behind a bracket.
    return 1 + raw.count(b",") + raw.count(b"[") + raw.count(b"{")


def check_depth(raw: bytes, max_depth: int) -> None:
    """Raise ResourceLimitError where brackets nest deeper than ``max_depth``, without parsing."""
    _check_structure(raw, len(raw) + 1, max_depth)


def _check_structure(raw: bytes, limit: int, max_depth: int) -> None:
    # What is escaped costs the parser as much as a value does.
    if raw.count(b"\\") > 2 * MAX_VALUES:
        raise ResourceLimitError(f"the document has more than {2 * MAX_VALUES} escapes")
    depth, values = 0, 0
    for run in _RUN.finditer(raw):
        structure = _STRING.sub(b"", run[0])
        values += values_at_most(structure) - 1
        if values >= limit:
            raise ResourceLimitError(f"the document has more than {limit} values")
        for bracket in _BRACKET.finditer(structure):
            depth += 1 if bracket[0] in b"[{" else -1
            if depth > max_depth:
                raise ResourceLimitError(f"the document nests deeper than {max_depth} levels")
            if depth < 0:
                # What closes and was not opened is for the parser to refuse; there may be millions of it.
                return


def _members(pairs: list[tuple[str, Json]]) -> JsonObject:
    if len(pairs) > MAX_MEMBERS:
        raise ResourceLimitError(f"an object has more than {MAX_MEMBERS} members")
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ParsingError("a member stands twice in the same object")
    return members


def _refuse_constant(name: str) -> Json:
    raise ParsingError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ParsingError(f"{text[:40]} is outside the range of JSON numbers")
    return number


def _check_strings(raw: bytes, value: Json) -> None:
    # An escape is the only way for a forbidden character to get past the JSON grammar, except DEL
    # and the noncharacters, which may stand raw: so most documents are cleared by a few scans.
    if not any(suspect in raw for suspect in _SUSPECTS):
        return
    pending: list[Json] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            if _FORBIDDEN.search(item):
                raise MalformedValueError("a string holds a control character, a surrogate or a noncharacter")
        elif isinstance(item, dict):
            pending.extend(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
