"""JSON values as literals: the canonical form, or a refusal where digits would be lost."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyld import jsonld

from verifier.errors import MalformedTermError, UnsignedClaimError
from verifier.rdf.literals import RDF, STRING, XSD, Lexical, lexical

DECIMAL = XSD + "decimal"
DOUBLE = XSD + "double"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"@value": "x"}, Lexical("x", STRING)),
        ({"@value": ""}, Lexical("", STRING)),
        ({"@value": "x", "@type": STRING}, Lexical("x", STRING)),
        ({"@value": "0.25", "@type": DECIMAL}, Lexical("0.25", DECIMAL)),
        ({"@value": "x", "@language": "en"}, Lexical("x", RDF + "langString", "en")),
        ({"@value": True}, Lexical("true", XSD + "boolean")),
        ({"@value": False}, Lexical("false", XSD + "boolean")),
        ({"@value": 0}, Lexical("0", XSD + "integer")),
        ({"@value": -7}, Lexical("-7", XSD + "integer")),
        ({"@value": 5.0}, Lexical("5", XSD + "integer")),
        ({"@value": 1e20}, Lexical("100000000000000000000", XSD + "integer")),
        ({"@value": 1e21}, Lexical("1.0E21", DOUBLE)),
        ({"@value": 0.1}, Lexical("1.0E-1", DOUBLE)),
        ({"@value": -1.5}, Lexical("-1.5E0", DOUBLE)),
        ({"@value": 5, "@type": DOUBLE}, Lexical("5.0E0", DOUBLE)),
        ({"@value": 0.5, "@type": DECIMAL}, Lexical("5.0E-1", DECIMAL)),
        ({"@value": "1.5E0", "@type": DOUBLE}, Lexical("1.5E0", DOUBLE)),
        ({"@value": [1, {"b": 2, "a": None}], "@type": "@json"}, Lexical('[1,{"a":null,"b":2}]', RDF + "JSON")),
        ({"@value": None, "@type": "@json"}, Lexical("null", RDF + "JSON")),
    ],
)
def test_a_value_becomes_its_literal(value, expected):
    assert lexical(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"@value": math.nextafter(0.1, 1)},
        {"@value": math.nextafter(1e21, math.inf)},
        {"@value": 2**70 + 1},
        {"@value": 2**53 + 1, "@type": DOUBLE},
        {"@value": "x", "@index": "i"},
        {"@value": "x", "@direction": "rtl"},
        {"@value": None},
        {"@value": ["x"]},
    ],
)
def test_what_the_literal_would_lose_is_refused(value):
    with pytest.raises(UnsignedClaimError):
        lexical(value)


@pytest.mark.parametrize(
    "value",
    [
        {"@value": math.nan},
        {"@value": math.inf},
        {"@value": -math.inf},
        {"@value": 10**400},
        {"@value": "x", "@type": "relative"},
        {"@value": "x", "@type": RDF + "langString"},
        {"@value": "x", "@type": DECIMAL, "@language": "en"},
        {"@value": 1, "@language": "en"},
        {"@value": "x", "@language": "not a tag"},
        {"@value": "x", "@language": 1},
        {"@value": "\udfff"},
        {"@value": "0.1", "@type": DOUBLE},
        {"@value": "1.50E0", "@type": DOUBLE},
        {"@value": "one", "@type": DOUBLE},
        {"@value": "INF", "@type": DOUBLE},
        {"@value": math.nan, "@type": "@json"},
    ],
)
def test_a_malformed_value_is_refused(value):
    with pytest.raises(MalformedTermError):
        lexical(value)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**25), 10**25))
def test_a_number_reads_back_as_itself_or_is_refused(number):
    try:
        literal = lexical({"@value": number})
    except UnsignedClaimError:
        return
    assert (int(literal.text) if literal.datatype.endswith("integer") else float(literal.text)) == number


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_two_numbers_never_share_a_literal(left, right):
    texts = []
    for number in (left, right):
        try:
            texts.append(lexical({"@value": number}))
        except UnsignedClaimError:
            return
    assert (texts[0] == texts[1]) == (left == right)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**22), 10**22) | st.booleans() | st.text())
def test_pyld_writes_the_same_literal(value):
    try:
        literal = lexical({"@value": value})
    except (UnsignedClaimError, MalformedTermError):
        return
    dataset = jsonld.to_rdf([{"@id": "urn:s", "urn:p": [{"@value": value}]}], {"base": "urn:b"})
    written = dataset["@default"][0]["object"]
    assert (written["value"], written["datatype"]) == (literal.text, literal.datatype)
