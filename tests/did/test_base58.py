import pytest
from hypothesis import given
from hypothesis import strategies as st

from did import base58
from did.errors import KeyEncodingError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # draft-msporny-base58-03 §5
        (b"Hello World!", "2NEpo7TZRRrLZSi2U"),
        (
            b"The quick brown fox jumps over the lazy dog.",
            "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z",
        ),
        (bytes.fromhex("0000287fb4cd"), "11233QC4"),
        (b"", ""),
        (b"\x00", "1"),
    ],
)
def test_the_drafts_vectors_hold_both_ways(value: bytes, text: str) -> None:
    assert base58.encode(value) == text
    assert base58.decode(text) == value


@given(st.binary(max_size=64))
def test_decoding_gives_back_what_was_encoded(value: bytes) -> None:
    assert base58.decode(base58.encode(value)) == value


@given(st.text(alphabet="123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", max_size=64))
def test_a_value_has_one_spelling(text: str) -> None:
    assert base58.encode(base58.decode(text)) == text


@pytest.mark.parametrize("text", ["0", "O", "I", "l", "a b", "+", "é", "1\n"])
def test_a_character_outside_the_alphabet_is_refused(text: str) -> None:
    with pytest.raises(KeyEncodingError, match="base58"):
        base58.decode(text)


def test_a_text_longer_than_any_key_is_refused_before_the_arithmetic() -> None:
    with pytest.raises(KeyEncodingError, match="at most 256"):
        base58.decode("z" * 257)
