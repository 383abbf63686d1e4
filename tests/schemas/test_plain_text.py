"""What a reader sees in full, and what hides in a name."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.plain_text import why_not_plain

PLAIN = [
    "meta-llama/Llama-3.1-70B-Instruct",
    "Qwen2.5 72B (AWQ)",
    "文心一言 4.0",
    "Жар-птица",
    "modèle-é",
    "नमस्ते",
    "ﷺ-1",
    "模型🚀",
    "ལྷ་ས",
    "q\u0323\u0302\u0315",
    "a letter of a later Unicode: \u0378, \U0001f7ff",
]
HIDING = {
    "zero-width space": "gpt\u200b4",
    "zero-width joiner": "gpt\u200d4",
    "soft hyphen": "gpt\u00ad4",
    "byte order mark": "\ufeffgpt4",
    "word joiner": "gpt\u20604",
    "override of direction": "gpt\u202e4",
    "isolate of direction": "gpt\u20664",
    "Arabic letter mark": "gpt\u061c4",
    "no-break space": "gpt\u00a04",
    "ideographic space": "gpt\u30004",
    "hair space": "gpt\u200a4",
    "line separator": "gpt\u20284",
    "next line": "gpt\u00854",
    "tag": "gpt\U000e00614",
    "variation selector": "gpt\ufe0f4",
    "variation selector of the supplement": "gpt\U000e01014",
    "Mongolian variation selector": "gpt\u180b4",
    "combining grapheme joiner": "gpt\u034f4",
    "Hangul filler": "gpt\u31644",
    "half-width Hangul filler": "gpt\uffa04",
    "Khmer inherent vowel": "gpt\u17b44",
    "Braille blank": "gpt\u28004",
    "private use": "gpt\ue0004",
    "kept for a format character": "gpt\u20654",
    "kept for a special": "gpt\ufff04",
    "kept for a tag": "gpt\U000e0fff4",
    "null note head": "gpt\U0001d1594",
    "Khitan filler": "gpt\U00016fe44",
    "object replacement": "gpt\ufffc4",
    "variation selector after an emoji": "gpt\u2764\ufe0f",
    "noncharacter at the end of a plane": "gpt\U0001ffff4",
    "last noncharacter": "gpt\U0010ffff4",
    "a fourth mark in a row": "q\u0331\u0323\u0302\u0315",
    "a heap of marks": "g" + "\u0335" * 40 + "pt",
    "noncharacter": "gpt\ufdd04",
    "lone surrogate": "gpt\ud8004",
    "NUL": "gpt\x004",
    "tab": "gpt\t4",
    "escape": "gpt\x1b[31m",
    "two spaces": "gpt  4",
    "space before": " gpt4",
    "space after": "gpt4 ",
    "leading mark": "\u0301gpt",
    "decomposed letter": "mode\u0301le",
}


@pytest.mark.parametrize("text", PLAIN)
def test_names_that_people_give_are_plain(text):
    assert why_not_plain(text) is None


@pytest.mark.parametrize("name", HIDING)
def test_what_hides_is_named(name):
    reason = why_not_plain(HIDING[name])
    assert reason is not None
    assert reason.isascii()


@given(st.text())
def test_a_plain_text_is_printable_and_composed(text):
    if why_not_plain(text) is None:
        assert all(one.isprintable() or unicodedata.category(one) == "Cn" for one in text)
        assert unicodedata.normalize("NFC", text) == text
        assert " ".join(text.split()) == text


def test_plain_ascii_is_taken_and_its_controls_are_not():
    for code in range(128):
        text = f"a{chr(code)}b"
        assert (why_not_plain(text) is None) == (0x20 <= code < 0x7F), code
