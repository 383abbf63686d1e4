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
MAX_VALUES: Final = 1_000_000
"""Values in one document: 16 MB of empty arrays would become half a gigabyte of them (a credential has some 300)."""

# An unterminated string matches up to the end of input: otherwise each quote in it would be tried as
# a start of its own, in quadratic time.
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
# C0 controls, DEL, surrogates, U+FFFE and U+FFFF: JSON-LD engines disagree on each of them.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def parse(raw: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Json:
    """Return the JSON value in ``raw``.

    Raises ResourceLimitError (too many bytes, too deep), ParsingError (not UTF-8, not JSON,
    duplicate members, NaN) and MalformedValueError (a string with a forbidden character).
    """
    if len(raw) > max_bytes:
        raise ResourceLimitError(f"the document has {len(raw)} bytes; at most {max_bytes} are read")
    structure = _STRING.sub(b"", raw)
    _check_count(structure)
    _check_depth(structure, max_depth)
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
    _check_strings(text, value)
    return value


def parse_object(raw: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> JsonObject:
    """Return the JSON object in ``raw``; as parse, and ParsingError where it is not an object."""
    value = parse(raw, max_bytes=max_bytes, max_depth=max_depth)
    if not isinstance(value, dict):
        raise ParsingError("a JSON object is required")
    return value


def check_depth(raw: bytes, max_depth: int) -> None:
    """Raise ResourceLimitError where brackets nest deeper than ``max_depth``, without parsing."""
    _check_depth(_STRING.sub(b"", raw), max_depth)


def _check_count(structure: bytes) -> None:
    # Each value but the first of its array or object stands behind a comma, the first behind a bracket.
    if structure.count(b",") + structure.count(b"[") + structure.count(b"{") >= MAX_VALUES:
        raise ResourceLimitError(f"the document has more than {MAX_VALUES} values")


def _check_depth(structure: bytes, max_depth: int) -> None:
    depth = 0
    for bracket in _BRACKET.findall(structure):
        if bracket in b"[{":
            depth += 1
            if depth > max_depth:
                raise ResourceLimitError(f"the document nests deeper than {max_depth} levels")
        else:
            depth -= 1


def _members(pairs: list[tuple[str, Json]]) -> JsonObject:
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


def _check_strings(text: str, value: Json) -> None:
    # An escape is the only way for a forbidden character to get past the JSON grammar, except DEL
    # and the noncharacters, which may stand raw: so most documents are cleared by two scans.
    if "\\u" not in text and not re.search("[\x7f\ufffe\uffff]", text) and not re.search(r"\\[bfnrt]", text):
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
