import pytest

from schemas import jcs, strict_json
from schemas.errors import MalformedValueError, ParsingError, SchemaInvalidError
from schemas.plain_values import (
    BYTES_32,
    MAX_INTEGER,
    SALT,
    TENANT_ID,
    THUMBPRINT_URI,
    Constant,
    Integer,
    check_canonical,
)


@pytest.mark.parametrize("value", [0, 1, MAX_INTEGER])
def test_an_integer_in_range_fits(value):
    Integer().check(value, "x")


@pytest.mark.parametrize("value", [-1, MAX_INTEGER + 1, 1.0, 0.5, True, False, "1", None, [], {}])
def test_what_is_no_integer_in_range_is_refused(value):
    with pytest.raises(SchemaInvalidError, match=r"^x: "):
        Integer().check(value, "x")


def test_a_range_may_be_narrower():
    Integer(1, 2).check(1, "x")
    for value in (0, 3):
        with pytest.raises(SchemaInvalidError):
            Integer(1, 2).check(value, "x")
    assert Integer(1, 2).schema() == {"type": "integer", "minimum": 1, "maximum": 2}


@pytest.mark.parametrize(("constant", "value"), [(1, True), (1, 1.0), (True, 1), (1, "1"), (1, 2), (True, False)])
def test_a_constant_is_of_its_own_type(constant, value):
    Constant(constant).check(constant, "x")
    assert Constant(constant).schema() == {"const": constant}
    with pytest.raises(SchemaInvalidError):
        Constant(constant).check(value, "x")


@pytest.mark.parametrize(
    "raw", [b'{ "a":1}', b'{"b":1,"a":1}', b'{"a":1.0}', b'{"a":1e0}', b'{"a":"\\u0061"}', b'{"a":1}\n', b'{"a":-0}']
)
def test_bytes_that_are_not_canonical_are_refused(raw):
    with pytest.raises(ParsingError, match=r"^x: "):
        check_canonical(raw, strict_json.parse(raw), "x")


def test_canonical_bytes_pass():
    value = {"é": [1, "ü"], "a": {}}
    check_canonical(jcs.canonical_bytes(value), value, "x")


def test_a_number_without_a_canonical_form_is_malformed():
    raw = b'{"a":9007199254740993}'
    with pytest.raises(MalformedValueError):
        check_canonical(raw, strict_json.parse(raw), "x")


@pytest.mark.parametrize(
    ("lexical", "sound", "unsound"),
    [
        (SALT, "xh7DYDLe8SCGKnMPT9Tr8Q", ["", "A" * 21, "A" * 23, "A" * 21 + "B", "A" * 20 + "==", "A" * 21 + "\n"]),
        (BYTES_32, "A" * 43, ["A" * 42, "A" * 44, "A" * 42 + "B", "A" * 42 + "="]),
        (THUMBPRINT_URI, "urn:ietf:params:oauth:jwk-thumbprint:sha-256:" + "A" * 43, ["A" * 43, "urn:ietf:params:"]),
        (TENANT_ID, "did:web:tenant-b.example", ["", "a b", 'a"b', "a\\b", "é", "a" * 257, "a\n", "<b>"]),
    ],
)
def test_the_lexical_rules_of_plain_json(lexical, sound, unsound):
    assert lexical.fits(sound)
    assert [text for text in unsound if lexical.fits(text)] == []
