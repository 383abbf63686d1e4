import base64
import gzip
import random
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import bitstring
from schemas.bitstring import MIN_BYTES, decode_list, encode_bits, get, set_bit
from schemas.errors import MalformedValueError, ResourceLimitError, StatusIndexError, StatusListLengthError


def text_of(compressed):
    return base64.urlsafe_b64encode(compressed).decode().rstrip("=")


@given(st.sets(st.integers(0, MIN_BYTES * 8 - 1), max_size=20))
def test_a_list_reads_back_as_written(indexes):
    bits = bytearray(MIN_BYTES)
    for index in indexes:
        set_bit(bits, index)
    assert decode_list(encode_bits(bits)) == bits
    assert all(get(bits, index) for index in indexes)
    assert sum(byte.bit_count() for byte in bits) == len(indexes)


@pytest.mark.parametrize(
    ("index", "byte", "value"), [(0, 0, 0x80), (7, 0, 0x01), (8, 1, 0x80), (131_071, 16_383, 0x01)]
)
def test_the_first_bit_is_the_most_significant(index, byte, value):
    bits = bytearray(MIN_BYTES)
    set_bit(bits, index)
    assert bits[byte] == value


def test_a_bit_can_be_cleared_without_touching_its_neighbours():
    bits = bytearray(b"\xff" * MIN_BYTES)
    set_bit(bits, 9, value=False)
    assert [get(bits, index) for index in (8, 9, 10)] == [True, False, True]
    set_bit(bits, 9, value=False)
    assert not get(bits, 9)


@pytest.mark.parametrize("index", [-1, MIN_BYTES * 8, 2**64])
def test_an_index_outside_the_list_is_a_range_error(index):
    bits = bytearray(MIN_BYTES)
    with pytest.raises(StatusIndexError) as caught:
        get(bits, index)
    assert caught.value.name == "RANGE_ERROR"
    with pytest.raises(StatusIndexError):
        set_bit(bits, index)


def test_what_is_written_says_no_time_and_no_padding():
    text = encode_bits(bytes(MIN_BYTES))
    assert base64.urlsafe_b64decode(text + "==")[4:8] == bytes(4)
    assert text.startswith("H4s")
    assert "=" not in text


@pytest.mark.parametrize("spell", [
    text_of,
    lambda data: "u" + text_of(data),
    lambda data: base64.urlsafe_b64encode(data).decode(),
    lambda data: base64.b64encode(data).decode(),
    lambda data: base64.b64encode(data).decode().rstrip("="),
], ids=["base64url", "multibase", "padded base64url", "base64", "base64 without padding"])  # fmt: skip
def test_each_customary_spelling_reads(spell):
    bits = random.Random(7).randbytes(MIN_BYTES)
    assert decode_list(spell(gzip.compress(bits))) == bits


GOOD = gzip.compress(bytes(MIN_BYTES), mtime=0)


@pytest.mark.parametrize(
    "text",
    ["", "u", "!!!", "H4s+/-_", "A", "z" + text_of(GOOD), text_of(GOOD) + "===", text_of(GOOD) + "\n", " " + text_of(GOOD),
     text_of(GOOD)[:20] + "=" + text_of(GOOD)[20:], "Ｈ4s"],
)  # fmt: skip
def test_what_is_not_base64_of_gzip_is_malformed(text):
    with pytest.raises(MalformedValueError):
        decode_list(text)


@pytest.mark.parametrize(
    ("compressed", "why"),
    [
        (GOOD[:-1], "ends early"),
        (GOOD[: len(GOOD) // 2], "ends early"),
        (GOOD + b"x", "something follows"),
        (GOOD + GOOD, "something follows"),
        (GOOD[:-8] + bytes(4) + GOOD[-4:], "checksum"),
        (zlib.compress(bytes(MIN_BYTES)), "not gzip"),
        (bytes(MIN_BYTES), "not gzip"),
    ],
    ids=["without its last byte", "half", "a byte more", "two members", "wrong CRC", "zlib", "bare bits"],
)
def test_exactly_one_whole_gzip_member_is_read(compressed, why):
    with pytest.raises(MalformedValueError, match=why):
        decode_list(text_of(compressed))


@pytest.mark.parametrize("length", [0, 1, MIN_BYTES - 1])
def test_a_list_below_131072_entries_is_too_short(length):
    with pytest.raises(StatusListLengthError) as caught:
        decode_list(text_of(gzip.compress(bytes(length))))
    assert caught.value.name == "STATUS_LIST_LENGTH_ERROR"
    with pytest.raises(StatusListLengthError):
        encode_bits(bytes(length))


def test_the_limit_is_the_first_byte_too_many():
    assert len(decode_list(text_of(gzip.compress(bytes(20_000))), max_bytes=20_000)) == 20_000
    with pytest.raises(ResourceLimitError):
        decode_list(text_of(gzip.compress(bytes(20_001))), max_bytes=20_000)


def test_random_bits_of_the_largest_size_still_read():
    bits = random.Random(1).randbytes(100_000)
    assert decode_list(encode_bits(bits), max_bytes=100_000) == bits


@pytest.fixture(scope="module")
def bomb():
    """Return 1 GiB of zeros in gzip, made of one compressed stretch repeated 64 times (about 1 MB)."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = compressor.compress(bytes(1 << 24)) + compressor.flush(zlib.Z_FULL_FLUSH)
    stretch = compressor.compress(bytes(1 << 24)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return text_of(start + stretch * 63)


def test_a_bomb_of_a_gibibyte_is_refused_in_milliseconds(bomb):
    start = time.process_time()
    with pytest.raises(ResourceLimitError):
        decode_list(bomb)
    assert time.process_time() - start < 0.5


def test_a_text_longer_than_any_list_is_refused_before_it_is_decoded():
    with pytest.raises(ResourceLimitError):
        decode_list("A" * (bitstring.MAX_BYTES * 2 + 1))
