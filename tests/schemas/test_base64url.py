import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import base64url
from schemas.errors import MalformedValueError


@given(st.binary(max_size=100))
def test_decoding_gives_back_what_was_encoded(value):
    assert base64url.decode(base64url.encode(value)) == value


@given(st.binary(max_size=100))
def test_encoding_is_rfc_4648_without_padding(value):
    assert base64url.encode(value) == base64.urlsafe_b64encode(value).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    ["AA==", "A", "AAAAA", "A A", "AA\n", "+/+/", "ＡＡ", "AA.", "A\x00"],
    ids=["padding", "one digit", "five digits", "space", "newline", "plain alphabet", "wide", "dot", "nul"],
)
def test_other_spellings_are_malformed(text):
    with pytest.raises(MalformedValueError):
        base64url.decode(text)


def test_trailing_bits_must_be_zero():
    assert base64url.decode("_w") == b"\xff"
    with pytest.raises(MalformedValueError, match="trailing bits"):
        base64url.decode("_x")


@given(st.text(alphabet="ABab01-_", max_size=8))
def test_no_two_texts_decode_to_the_same_bytes(text):
    try:
        value = base64url.decode(text)
    except MalformedValueError:
        return
    assert base64url.encode(value) == text
