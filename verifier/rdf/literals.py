"""JSON values as RDF literals, losing nothing (JSON-LD 1.1 API §8.2.2 "Object to RDF Conversion", §8.6).

A number becomes a literal only if the literal reads back as the same number: two JSON numbers that differ
must never have the same signature, and 16 digits do not tell neighbouring doubles apart.
"""

from __future__ import annotations

import math
import re
from typing import Final, NamedTuple

from schemas import jcs
from schemas.errors import MalformedValueError
from schemas.strict_json import Json, JsonObject
from verifier.errors import MalformedTermError, UnsignedClaimError
from verifier.rdf import safe_mode

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XSD: Final = "http://www.w3.org/2001/XMLSchema#"
STRING: Final = XSD + "string"
LANG_STRING: Final = RDF + "langString"

_MEMBERS: Final = frozenset({"@value", "@type", "@language"})
# From 1e21 on a number is written as xsd:double even where it is integral (JSON-LD 1.1 API §8.2.2 step 11).
_DOUBLE_FROM: Final = 10**21
_EXPONENT = re.compile(r"^(-?\d\.\d+?)0*E([+-])0*(\d+)$")


class Lexical(NamedTuple):
    """A literal: its lexical form, its datatype's IRI, its language tag or ""."""

    text: str
    datatype: str
    language: str = ""


def lexical(value: JsonObject) -> Lexical:
    """Return the literal of an expanded value object.

    Raises UnsignedClaimError for members that a literal has no place for, MalformedTermError for a
    malformed datatype or language and for numbers whose literal would lose digits.
    """
    extra = value.keys() - _MEMBERS
    if extra:
        raise UnsignedClaimError(f"a value has members that are not signed: {sorted(extra)}")
    content = value["@value"]
    datatype = value.get("@type")
    if datatype == "@json":
        return Lexical(_canonical_json(content), RDF + "JSON")
    if datatype is not None:
        datatype = safe_mode.iri(datatype)
        if datatype == LANG_STRING:
            raise MalformedTermError("rdf:langString needs a language, not a type")
    if isinstance(content, str):
        return _string(content, datatype, value)
    if "@language" in value:
        raise MalformedTermError("only a string can have a language")
    if isinstance(content, bool):
        return Lexical("true" if content else "false", datatype or XSD + "boolean")
    if isinstance(content, int | float):
        return _number(content, datatype)
    raise UnsignedClaimError("a value is neither a string, a number nor a boolean")


def _string(content: str, datatype: str | None, value: JsonObject) -> Lexical:
    safe_mode.text(content)
    if "@language" in value:
        if datatype is not None:
            raise MalformedTermError("a value cannot have both a type and a language")
        return Lexical(content, LANG_STRING, safe_mode.language(value["@language"]))
    if datatype == XSD + "double" and content != _canonical_double(content):
        # Some engines rewrite such strings, others keep them: only the spelling that all agree on is safe.
        raise MalformedTermError('a string typed xsd:double must be canonical, such as "1.5E0"')
    return Lexical(content, datatype or STRING)


def _canonical_json(content: Json) -> str:
    try:
        return jcs.canonical_bytes(content).decode("utf-8")
    except MalformedValueError as error:
        raise MalformedTermError("a JSON literal has no canonical form (RFC 8785)") from error


def _number(number: float, datatype: str | None) -> Lexical:
    if isinstance(number, float) and not math.isfinite(number):
        raise MalformedTermError("NaN and Infinity are not JSON")
    if number == int(number) and abs(number) < _DOUBLE_FROM and datatype != XSD + "double":
        return Lexical(str(int(number)), datatype or XSD + "integer")
    text = _double(number)
    if float(text) != number:
        raise UnsignedClaimError(f"the number {str(number)[:40]} has more digits than are signed")
    return Lexical(text, datatype or XSD + "double")


def _canonical_double(content: str) -> str | None:
    try:
        number = float(content)
    except ValueError:
        return None
    return _double(number) if math.isfinite(number) else None


def _double(number: float) -> str:
    """Return the canonical form with 16 significant digits: one digit, a point, an exponent without plus."""
    try:
        match = _EXPONENT.match(f"{number:.15E}")
    except OverflowError:
        match = None
    if match is None:
        raise MalformedTermError("a number is outside the range of xsd:double")
    mantissa, sign, exponent = match.groups()
    return f"{mantissa}E{sign.replace('+', '')}{exponent}"
