"""Untrusted text, made safe to show."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.visible import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("Zürich 東京", "Zürich 東京"),
        ("\x1b[2Jgone", "\\u{1b}[2Jgone"),
        ("\u009b2J", "\\u{9b}2J"),
        ("a\r\nb", "a\\u{d}\\u{a}b"),
        ("\u202eevil", "\\u{202e}evil"),
        ("zero\u200bwidth", "zero\\u{200b}width"),
        ("[bold]markup[/]", "[bold]markup[/]"),
    ],
)
def test_what_would_steer_the_terminal_is_spelled_out(text, shown):
    assert visible(text) == shown


def test_long_text_is_cut_visibly():
    assert visible("x" * 1000, limit=10) == "xxxxxxxxx…"


@given(st.text())
def test_nothing_hidden_ever_remains(text):
    assert not {unicodedata.category(char) for char in visible(text)} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
