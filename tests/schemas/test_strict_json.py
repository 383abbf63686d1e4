import contextlib
import json
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import strict_json
from schemas.errors import MalformedValueError, ParsingError, ResourceLimitError

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


@given(VALUES)
def test_json_reads_as_it_is_meant(value):
    assert strict_json.parse(json.dumps(value).encode()) == value
    assert strict_json.parse(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=60))
def test_arbitrary_bytes_either_read_or_raise_one_of_our_errors(raw):
    try:
        strict_json.parse(raw)
    except (ParsingError, MalformedValueError, ResourceLimitError):
        return
    json.loads(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b'{"a":1', b'{"a":1}x', b'{"a":1}{"b":2}', b"{'a':1}", b'{"a":1,}', b"[1,]", b"nul", b"\xff", b'"\xff"',
        b"\xef\xbb\xbf{}", '{"a":1}'.encode("utf-16"), b'{"a":\x00}', b'"\x01"', b'"a\nb"', b"01", b"1.", b".5", b"+1",
        b'{"a":NaN}', b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"// c\n{}", b"\xc0\xaf", b'"\xed\xa0\x80"',
    ],
)  # fmt: skip
def test_what_is_not_our_json_is_a_parsing_error(raw):
    with pytest.raises(ParsingError):
        strict_json.parse(raw)


@pytest.mark.parametrize("raw", [b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}', b'{"a":1,"\\u0061":2}'])
def test_a_member_that_stands_twice_is_a_parsing_error(raw):
    with pytest.raises(ParsingError, match="twice"):
        strict_json.parse(raw)


@pytest.mark.parametrize(
    "text",
    [
        r"\u0000",
        r"\n",
        r"\t",
        r"\b",
        r"\u001f",
        r"\u007f",
        r"\ud800",
        r"\udfff",
        r"\ufffe",
        r"\uffff",
        "\x7f",
        "\uffff",
    ],
)
@pytest.mark.parametrize("shape", ['"{}"', '["{}"]', '{{"a":["x{}"]}}', '{{"{}":1}}'])
def test_a_forbidden_character_is_malformed_wherever_it_stands(shape, text):
    with pytest.raises(MalformedValueError):
        strict_json.parse(shape.format(text).encode())


@pytest.mark.parametrize("text", [r"\"", r"\\n", r"\/", r"\\u0000", r"é", r"\ud83d\ude00", "\U0001f600"])
def test_other_escapes_are_taken(text):
    assert strict_json.parse(f'"{text}"'.encode()) == json.loads(f'"{text}"')


def test_depth_counts_brackets_outside_of_strings_only():
    raw = json.dumps(["[" * 100, '\\"[[[', {"{{{": 1}]).encode()
    assert strict_json.parse(raw, max_depth=2) == json.loads(raw)
    with pytest.raises(ResourceLimitError, match="deeper"):
        strict_json.parse(raw, max_depth=1)


@pytest.mark.parametrize("depth", [17, 1_000, 100_000])
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_nesting_is_refused_before_any_parser_sees_it(depth, opening):
    with pytest.raises(ResourceLimitError):
        strict_json.parse(opening * depth)


def test_depth_16_still_reads():
    assert strict_json.parse(b"[" * 16 + b"]" * 16)


def test_size_is_refused_at_the_first_byte_too_many():
    assert strict_json.parse(b'"' + b"a" * 8 + b'"', max_bytes=10)
    with pytest.raises(ResourceLimitError, match="11 bytes"):
        strict_json.parse(b'"' + b"a" * 9 + b'"', max_bytes=10)


def test_a_number_of_5000_digits_is_a_parsing_error():
    with pytest.raises(ParsingError, match="number"):
        strict_json.parse(b"1" * 5_000)


@pytest.mark.parametrize(
    "raw", [b'"' * 500_000, b'"\\' * 250_000, b"[" * 15 + b'"a",' * 120_000, b'"' + b"\\u0041" * 80_000 + b'"'],
    ids=["quotes", "escapes", "strings", "unicode escapes"],
)  # fmt: skip
def test_hostile_half_megabytes_are_judged_quickly(raw):
    start = time.perf_counter()
    with contextlib.suppress(ParsingError, ResourceLimitError):
        strict_json.parse(raw)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("raw", [b"[]", b'"x"', b"1", b"null", b"true"])
def test_an_object_is_required_where_one_is_asked_for(raw):
    with pytest.raises(ParsingError, match="object"):
        strict_json.parse_object(raw)
    assert strict_json.parse_object(b'{"a":1}') == {"a": 1}


@pytest.mark.parametrize("unit", [b"[]", b"{}", b"1", b'{"a":1}'])
def test_more_values_than_any_document_has_are_refused_before_they_take_memory(unit):
    raw = b"[" + b",".join([unit] * strict_json.MAX_VALUES) + b"]"
    with pytest.raises(ResourceLimitError):
        strict_json.parse(raw, max_bytes=len(raw))


@pytest.mark.parametrize(("count", "fits"), [(strict_json.MAX_MEMBERS, True), (strict_json.MAX_MEMBERS + 1, False)])
def test_an_object_has_a_bounded_number_of_members(count, fits):
    raw = json.dumps({str(number): 0 for number in range(count)}).encode()
    if fits:
        assert len(strict_json.parse(raw)) == count
    else:
        with pytest.raises(ResourceLimitError, match="members"):
            strict_json.parse(raw)


def test_commas_and_brackets_in_strings_are_no_values():
    raw = b'["' + b",[{" * (strict_json.MAX_VALUES // 2) + b'"]'
    assert len(strict_json.parse(raw, max_bytes=len(raw))) == 1


@pytest.mark.parametrize(("max_bytes", "values"), [(8192, 1024), (512 * 1024, 16_384), (16 << 20, 524_288)])
def test_how_many_values_are_read_goes_by_the_bytes_that_are(max_bytes, values):
    assert strict_json.max_values(max_bytes) == values
    inside = b"1," * (values - 2) + b"1"
    strict_json.parse(b"[" + inside + b"]", max_bytes=max_bytes)
    with pytest.raises(ResourceLimitError, match=f"more than {values} values"):
        strict_json.parse(b"[1," + inside + b"]", max_bytes=max_bytes)


@pytest.mark.parametrize(
    "raw",
    [
        b"]" * (16 << 20),
        b'"' * (16 << 20),
        b'"" ' * (5 << 20),
        b'"a":1,' * (2 << 20),
        b'["' + b"\\n" * (8 << 20) + b'"]',
    ],
    ids=["closing brackets", "quotes", "strings with gaps", "members", "escapes"],
)
def test_what_is_refused_takes_little_more_memory_than_its_bytes(raw):
    tracemalloc.start()
    with pytest.raises((ParsingError, ResourceLimitError)):
        strict_json.parse(raw, max_bytes=16 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * len(raw)


def test_strings_are_left_out_of_the_count_across_runs_of_them():
    raw = b"[" + b'"[,{",' * 20_000 + b'"\\"]"]'
    assert len(strict_json.parse(raw, max_bytes=len(raw) * 8)) == 20_001
