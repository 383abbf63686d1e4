import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import digests, jcs, merkle
from schemas.errors import FormatError, MalformedValueError, ParsingError, ResourceLimitError, SchemaInvalidError
from schemas.terms import TERMS
from schemas.window_record import (
    ENERGIES,
    MAX_RECORDS,
    WindowRecord,
    decode_record,
    decode_records,
    encode_record,
    encode_records,
    leaf_of,
    read_record,
)
from tests.fakes.soft_tpm import canonical, lines, record
from tests.vectors import FORMATS

EXAMPLE = json.loads((FORMATS / "record.json").read_bytes())
LINE = jcs.canonical_bytes(EXAMPLE)


def changed(left_out=(), **members):
    return canonical({name: value for name, value in (EXAMPLE | members).items() if name not in left_out})


def refused(line, error, said=""):
    with pytest.raises(error) as caught:
        decode_record(line)
    assert said in caught.value.detail
    # Behind one that is sound, and of another salt: it is this one that is at fault, and is named.
    with pytest.raises(error, match=r"^record 1[.:]"):
        decode_records(lines(record(7)) + line + b"\n")


def test_the_reference_record_is_read_and_written():
    read = decode_record(LINE)
    assert msgspec.to_builtins(read) == EXAMPLE
    assert encode_record(read) == LINE
    assert read == read_record(EXAMPLE)


def test_its_leaf_is_the_digest_that_the_credential_names():
    claims = json.loads((FORMATS / "credential.vc11.json").read_bytes())
    assert digests.encode(leaf_of(decode_record(LINE))) == claims["evidence"][0]["recordDigest"]
    assert leaf_of(decode_record(LINE)) == merkle.leaf_hash(LINE)


def test_its_energies_are_summed():
    assert decode_record(LINE).energy_mj == sum(EXAMPLE[name] for name in ENERGIES) == 3_414_401


def test_the_fields_stand_in_the_order_of_jcs():
    names = [field.name for field in msgspec.structs.fields(WindowRecord)]
    assert names == sorted(names)
    assert set(names) == set(EXAMPLE)


def test_the_attributions_are_those_of_the_vocabulary():
    for attribution in TERMS["attributionMethod"].values:
        assert decode_record(changed(attribution=attribution)).attribution == attribution
    refused(changed(attribution="fair"), SchemaInvalidError)


@pytest.mark.parametrize("name", ["tenant_id", "input_tokens", "output_tokens"])
def test_what_is_not_known_may_be_absent_and_is_never_null(name):
    assert getattr(decode_record(changed([name])), name) is None
    assert getattr(decode_records(changed([name]) + b"\n").records[0], name) is None
    refused(changed(**{name: None}), ParsingError)


@pytest.mark.parametrize("name", sorted(set(EXAMPLE) - {"tenant_id", "input_tokens", "output_tokens"}))
def test_everything_else_is_required(name):
    refused(changed([name]), SchemaInvalidError, name)


@pytest.mark.parametrize("name", [name for name, value in EXAMPLE.items() if isinstance(value, int) and name != "v"])
@pytest.mark.parametrize("value", ["-1", "9007199254740992", "1.5", "true", '"1"', "null", "[1]", "1e400"])
def test_a_figure_is_a_safe_integer_from_zero(name, value):
    line = changed(**{name: "VALUE"}).replace(b'"VALUE"', value.encode())
    refused(line, FormatError)


@pytest.mark.parametrize("value", ["1.0", "0e0", "-0", "01", "1E2", " 1"])
def test_a_figure_has_one_spelling(value):
    refused(changed(requests="VALUE").replace(b'"VALUE"', value.encode()), FormatError)


def test_a_record_of_another_version_is_refused():
    refused(changed(v=2), SchemaInvalidError)


def test_a_further_member_is_refused():
    refused(changed(energy_mj=1), SchemaInvalidError, "energy_mj")


def test_a_further_members_name_is_shown_in_ascii_and_short():
    with pytest.raises(SchemaInvalidError) as caught:
        decode_record(canonical(EXAMPLE | {"\u202e" * 300: 1}))
    assert caught.value.detail.isascii()
    assert len(caught.value.detail) < 200


def test_a_member_that_stands_twice_is_refused():
    refused(LINE[:-1] + b',"v":1}', ParsingError)
    refused(b'{"requests":2,' + LINE[1:], ParsingError)


@pytest.mark.parametrize(
    "line",
    [
        json.dumps(EXAMPLE).encode(),
        json.dumps(EXAMPLE, separators=(",", ":")).encode(),
        LINE + b" ",
        b" " + LINE,
        LINE.replace(b'"v":1', b'"\\u0076":1'),
        LINE.replace(b"step-log", b"step\\u002dlog"),
        LINE.replace(b"meta-llama/", b"meta-llama\\/"),
    ],
)
def test_another_spelling_of_the_same_record_is_refused(line):
    assert json.loads(line) == EXAMPLE
    refused(line, ParsingError, "canonical")


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"1", b"null", b"\xff", LINE.replace(b"Llama", b"\xff\xfe"), b"{}{}"]
)
def test_what_is_no_record_is_refused(line):
    refused(line, FormatError)


@pytest.mark.parametrize(
    "model_id", ["", " a", "a ", "a\tb", "a\nb", 'a"b', "a\\b", "<b>", "a\u202eb", "a\u200bb", "é" * 257, "a\ud800"]
)
def test_a_model_id_that_hides_or_breaks_out_is_refused(model_id):
    line = json.dumps(EXAMPLE | {"model_id": model_id}, sort_keys=True, separators=(",", ":")).encode()
    refused(line, FormatError)
    if "\ud800" not in model_id:
        refused(changed(model_id=model_id), FormatError)


def test_a_model_id_may_be_in_any_script():
    assert decode_record(changed(model_id="模型/é")).model_id == "模型/é"


@pytest.mark.parametrize("salt", ["", "A" * 21, "A" * 23, "A" * 21 + "B", "A" * 21 + "="])
def test_a_salt_is_16_bytes_in_one_spelling(salt):
    refused(changed(salt=salt), FormatError, "salt")


def test_salts_of_other_lengths_do_not_make_up_for_each_other():
    with pytest.raises(FormatError, match=r"^record 0\.salt: "):
        decode_records(lines(record(1, salt="A" * 21), record(2, salt="A" * 23)))


@pytest.mark.parametrize("inference_id", ["", "a b", "a\nb", "a/b", "é", "a" * 129])
def test_an_inference_id_is_a_plain_one(inference_id):
    refused(changed(inference_id=inference_id), FormatError)


@pytest.mark.parametrize("tenant_id", ["", "a b", 'a"', "é", "a" * 257])
def test_a_tenant_id_is_a_plain_one(tenant_id):
    refused(changed(tenant_id=tenant_id), FormatError)


def test_a_record_that_ends_before_it_starts_is_refused():
    refused(changed(start_us=EXAMPLE["end_us"] + 1), SchemaInvalidError, "start_us")


def test_more_that_was_estimated_than_there_is_is_refused():
    decode_record(changed(estimated_mj=3_414_401))
    refused(changed(estimated_mj=3_414_402), SchemaInvalidError, "estimated_mj")


def test_a_record_in_another_order_of_members_counts_in_its_canonical_form():
    assert read_record(dict(reversed(EXAMPLE.items()))) == decode_record(LINE)


@pytest.mark.parametrize("value", [1.0, -0.0, 1.5])
def test_a_float_in_a_parsed_record_is_refused(value):
    with pytest.raises(SchemaInvalidError, match="float"):
        read_record(EXAMPLE | {"requests": value})


def test_a_record_too_long_is_refused_unread():
    with pytest.raises(ResourceLimitError):
        decode_record(changed(model_id="a" * 5000))
    with pytest.raises(ResourceLimitError):
        decode_records(changed(model_id="a" * 5000) + b"\n")


# Many


def test_many_records_are_read_with_their_leaves():
    own = [record(number) for number in range(100)]
    read = decode_records(lines(*own))
    assert [msgspec.to_builtins(one) for one in read.records] == own
    assert list(read.leaves) == [merkle.leaf_hash(canonical(one)) for one in own]
    assert read.merkle_root == digests.encode(merkle.root(read.leaves))
    assert encode_records(read.records) == lines(*own)


def test_no_records_are_an_empty_tree():
    read = decode_records(b"")
    assert (len(read), read.merkle_root) == (0, digests.encode(merkle.EMPTY_ROOT))
    assert encode_records([]) == b""


@pytest.mark.parametrize("raw", [LINE, LINE + b"\n\n", b"\n" + LINE + b"\n", b"\n", LINE + b"\r\n", b" \n"])
def test_each_record_stands_on_a_line_of_its_own(raw):
    with pytest.raises(ParsingError):
        decode_records(raw)


def test_a_record_on_two_lines_is_refused():
    with pytest.raises(ParsingError):
        decode_records(LINE.replace(b",", b",\n", 1) + b"\n")


def test_two_records_on_one_line_are_refused():
    with pytest.raises(ParsingError):
        decode_records(canonical(record(1)) + canonical(record(2)) + b"\n")


def test_the_record_at_fault_is_named():
    own = [canonical(record(number)) for number in range(5)]
    own[3] = canonical(record(3, model_id="<b>"))
    with pytest.raises(FormatError, match=r"^record 3\.model_id: "):
        decode_records(b"".join(line + b"\n" for line in own))


def test_two_records_do_not_share_their_salt():
    with pytest.raises(MalformedValueError, match="salt"):
        decode_records(lines(record(1, salt="A" * 22), record(2, salt="A" * 22)))


def test_more_records_than_a_window_has_are_refused_unread():
    with pytest.raises(ResourceLimitError, match="50000"):
        decode_records(b"x\n" * (MAX_RECORDS + 1))


def test_what_would_be_refused_is_not_written():
    wrong = msgspec.structs.replace(decode_record(LINE), model_id="a\nb")
    for write in (encode_record, lambda one: encode_records([one])):
        with pytest.raises(FormatError):
            write(wrong)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


@given(
    st.fixed_dictionaries(
        {"model_id": TEXTS, "inference_id": TEXTS, "tenant_id": TEXTS, "requests": st.integers(-2, 2**54)}
    )
)
def test_what_is_read_is_canonical_by_rfc_8785_too(members):
    line = canonical(EXAMPLE | members)
    try:
        read = decode_record(line)
    except FormatError:
        return
    assert jcs.canonical_bytes(msgspec.to_builtins(read)) == line


@given(st.binary(max_size=120), st.integers(0, len(LINE)), st.integers(0, 40))
def test_any_bytes_are_read_or_refused(noise, offset, length):
    for raw in (noise, LINE[:offset] + noise + LINE[offset + length :]):
        try:
            decode_records(raw + b"\n")
        except FormatError:
            continue
