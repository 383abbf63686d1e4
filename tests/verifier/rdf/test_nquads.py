"""Canonical N-Quads: what is escaped, and what is left as it is."""

from __future__ import annotations

import pyoxigraph
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.rdf import nquads
from verifier.rdf.literals import LANG_STRING, STRING

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ä 漢 😀", '"plain ä 漢 😀"'),
        ('say "x"', '"say \\"x\\""'),
        ("a\\b", '"a\\\\b"'),
        ("\b\t\n\f\r", '"\\b\\t\\n\\f\\r"'),
        ("\x00\x01\x0b\x1f", '"\\u0000\\u0001\\u000B\\u001F"'),
        ("\x7f", '"\\u007F"'),
        ("\x80\ufffe", '"\x80\ufffe"'),
    ],
)
def test_controls_quotes_and_backslashes_are_escaped_and_nothing_else(text, expected):
    assert nquads.literal(text, STRING) == expected


def test_a_language_stands_behind_an_at_sign():
    assert nquads.literal("x", LANG_STRING, "en") == '"x"@en'


def test_a_datatype_other_than_string_is_written():
    assert nquads.literal("1", "urn:type") == '"1"^^<urn:type>'


def test_a_line_has_the_graph_last():
    assert nquads.line("_:a", "urn:p", "<urn:o>", "<urn:g>") == "_:a <urn:p> <urn:o> <urn:g> .\n"


def test_a_line_of_the_default_graph_has_none():
    assert nquads.line("<urn:s>", "urn:p", '"o"', None) == '<urn:s> <urn:p> "o" .\n'


@given(TEXT)
def test_another_parser_reads_back_the_same_text(text):
    line = nquads.line("<urn:s>", "urn:p", nquads.literal(text, STRING), None)
    (quad,) = pyoxigraph.parse(line.encode(), format=pyoxigraph.RdfFormat.N_QUADS)
    assert quad.object.value == text


@given(TEXT)
def test_a_literal_is_one_line(text):
    assert "\n" not in nquads.literal(text, STRING)
    assert "\r" not in nquads.literal(text, STRING)
