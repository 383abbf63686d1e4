import jsonschema_rs
import pytest

from schemas.document_rules import NeedsEvidence, SimulatedMarker
from schemas.errors import SchemaInvalidError
from schemas.lexical import DECIMAL, STRING
from schemas.presence import AtMostOne, Needs, together
from schemas.shapes import AnyArray, ArrayOf, ByType, Choice, Flag, OneOfLists, Shape, Text

DECIMAL_TEXT = Text(DECIMAL)
ONE = Shape({"type": OneOfLists((("One",),)), "a": DECIMAL_TEXT}, frozenset({"type", "a"}))
TWO = Shape({"type": OneOfLists((("Two",),))}, frozenset({"type"}))

# Value, what fits, what does not.
CASES = [
    (DECIMAL_TEXT, ["0.25"], [None, 1, 0.25, True, ["0.25"], {"@value": "0.25"}, "1.50", ""]),
    (Text(STRING), ["x", "é" * 256], ["", "é" * 257, 1, None]),
    (Choice(("a", "b")), ["a"], ["c", "A", None, ["a"], 1]),
    (Choice(("a",)), ["a"], ["b", ["a"]]),
    (Flag(), [True, False], ["true", 1, 0, None]),
    (OneOfLists((("A", "B"), ("A",))), [["A", "B"], ["A"]], [["B", "A"], ["A", "A"], "A", [], ["A", "B", "C"], None]),
    (OneOfLists((("A",),)), [["A"]], ["A", ["A", "A"]]),
    (ArrayOf(DECIMAL_TEXT), [["1"], ["1", "2"]], [[], "1", ["1", "1"], [["1"]], ["1", None], {"0": "1"}]),
    (AnyArray(), [[1], [None]], [[], "x", None, {}]),
    (ONE, [{"type": ["One"], "a": "1"}], [{}, {"type": ["One"]}, {"type": ["One"], "a": "1", "b": "1"}, [], None, "x"]),
    (ByType({"One": ONE, "Two": TWO}), [{"type": ["Two"]}], [{"type": "Two"}, {"type": ["Three"]}, {"type": []}, {}, []]),
    (Shape({"a": Flag(), "b": Flag()}, frozenset(), (AtMostOne("a", "b"),)), [{}, {"a": True}], [{"a": True, "b": True}]),
    (
        Shape({"a": Flag(), "b": Flag()}, frozenset(), (AtMostOne("a", "b", required=True),)),
        [{"a": True}, {"b": True}],
        [{}, {"a": True, "b": True}],
    ),
    (
        Shape({"a": Flag(), "b": Flag(), "c": Flag()}, frozenset(), together("a", "b", "c")),
        [{}, {"a": True, "b": True, "c": True}],
        [{"a": True}, {"a": True, "b": True}, {"c": True}],
    ),
    (Shape({"a": Flag(), "b": Flag()}, frozenset(), (Needs("a", ("b",)),)), [{"b": True}], [{"a": True}]),
]  # fmt: skip


@pytest.mark.parametrize(("value", "candidate"), [(value, good) for value, fits, _ in CASES for good in fits])
def test_what_fits_is_taken_by_the_decoder_and_by_the_schema(value, candidate):
    value.check(candidate, "x")
    assert jsonschema_rs.is_valid(value.schema(), candidate)


@pytest.mark.parametrize(("value", "candidate"), [(value, bad) for value, _, fails in CASES for bad in fails])
def test_what_does_not_fit_is_refused_by_the_decoder_and_by_the_schema(value, candidate):
    with pytest.raises(SchemaInvalidError):
        value.check(candidate, "x")
    assert not jsonschema_rs.is_valid(value.schema(), candidate)


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        ({"type": ["One"], "a": "1.50"}, 'here.a: "1.50" is not a canonical decimal'),
        ({"type": ["One"], "a": None}, "here.a: a canonical decimal"),
        ({"type": ["One"]}, "here.a: required member missing"),
        ({"type": ["One"], "a": "1", "b\n": 1}, r"here.b\n: no such member"),
        ({"type": "One", "a": "1"}, "here.type: "),
        ([], "here: a JSON object is expected"),
    ],
)
def test_an_error_names_the_path_and_what_was_expected(candidate, message):
    with pytest.raises(SchemaInvalidError) as caught:
        ONE.check(candidate, "here")
    assert caught.value.detail.startswith(message)


def test_an_error_names_the_index_in_an_array():
    with pytest.raises(SchemaInvalidError, match=r"^x\[1\]: "):
        ArrayOf(DECIMAL_TEXT).check(["1", 2], "x")


def test_the_document_itself_has_no_path():
    with pytest.raises(SchemaInvalidError, match=r"^document: "):
        ONE.check(None, "")
    with pytest.raises(SchemaInvalidError, match=r"^a: "):
        ONE.check({"type": ["One"]}, "")


MARKER = SimulatedMarker("Simulated")
HARDWARE = NeedsEvidence("hardwareId", "Quote")


@pytest.mark.parametrize(
    ("rule", "document", "fits"),
    [
        (MARKER, {"type": ["V", "T"], "credentialSubject": {"assurance": "software"}}, True),
        (MARKER, {"type": ["V", "T", "Simulated"], "credentialSubject": {"assurance": "simulated"}}, True),
        (MARKER, {"type": ["V", "T", "Simulated"], "credentialSubject": {"assurance": "software"}}, False),
        (MARKER, {"type": ["V", "T"], "credentialSubject": {"assurance": "simulated"}}, False),
        (HARDWARE, {"credentialSubject": {"hardwareId": "u"}, "evidence": [{"type": ["Quote"]}]}, True),
        (HARDWARE, {"credentialSubject": {}, "evidence": [{"type": ["Software"]}]}, True),
        (HARDWARE, {"credentialSubject": {"hardwareId": "u"}, "evidence": [{"type": ["Software"]}]}, False),
    ],
)
def test_a_document_rule_says_the_same_to_the_decoder_and_in_the_schema(rule, document, fits):
    assert jsonschema_rs.is_valid(rule.schema(), document) == fits
    if fits:
        rule.check(document, "")
        return
    with pytest.raises(SchemaInvalidError):
        rule.check(document, "")
