import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import FormatError
from schemas.tpm import wire
from schemas.tpm.errors import ForeignAttestError, TpmStructureError
from schemas.tpm.wire import Reader


def reader(raw):
    return Reader(raw, "TPMT_TEST")


def test_numbers_are_big_endian():
    fields = reader(bytes(range(1, 16)))
    assert (fields.uint8("a"), fields.uint16("b"), fields.uint32("c")) == (1, 0x0203, 0x04050607)
    assert fields.uint64("d") == 0x08090A0B0C0D0E0F
    fields.end()


@pytest.mark.parametrize(("read", "length"), [("uint8", 1), ("uint16", 2), ("uint32", 4), ("uint64", 8)])
def test_a_number_that_is_cut_off_is_refused(read, length):
    for short in range(length):
        with pytest.raises(TpmStructureError, match=f"TPMT_TEST: field has {length} bytes; {short} are left"):
            getattr(reader(bytes(short)), read)("field")


def test_bytes_left_over_are_refused():
    with pytest.raises(TpmStructureError, match="3 bytes too many"):
        reader(bytes(3)).end()


@pytest.mark.parametrize(("raw", "value"), [(b"\0", False), (b"\1", True)])
def test_a_boolean_is_0_or_1(raw, value):
    assert reader(raw).boolean("safe") is value


@pytest.mark.parametrize("raw", [b"\2", b"\x80", b"\xff"])
def test_any_other_boolean_is_refused(raw):
    with pytest.raises(TpmStructureError):
        reader(raw).boolean("safe")


def test_a_size_that_lies_is_refused():
    assert reader(b"\0\2ab").sized("name", 2) == b"ab"
    for raw in (b"\0\3ab", b"\xff\xffab", b"\0", b""):
        with pytest.raises(TpmStructureError):
            reader(raw).sized("name", 0xFFFF)


def test_a_size_above_what_is_possible_is_refused_although_the_bytes_are_there():
    with pytest.raises(TpmStructureError, match="at most 4"):
        reader(wire.sized(b"abcde")).sized("name", 4)


def test_more_than_a_tpm_answers_is_refused_at_once():
    reader(bytes(4096))
    with pytest.raises(TpmStructureError, match="4096"):
        reader(bytes(4097))


@given(st.binary(max_size=300))
def test_a_buffer_is_read_as_it_was_written(content):
    fields = reader(wire.sized(content))
    assert fields.sized("content", 300) == content
    fields.end()


@pytest.mark.parametrize(
    ("write", "value"),
    [(wire.uint8, 256), (wire.uint16, 65536), (wire.uint32, 2**32), (wire.uint8, -1), (wire.sized, bytes(65536))],
)
def test_what_does_not_fit_is_not_written(write, value):
    with pytest.raises(TpmStructureError):
        write(value)


def test_numbers_are_written_big_endian():
    assert wire.uint8(1) + wire.uint16(0x0203) + wire.uint32(0x04050607) == bytes(range(1, 8))


@pytest.mark.parametrize("error", [TpmStructureError, ForeignAttestError])
def test_a_malformed_structure_is_a_format_error_of_its_own_name(error):
    assert issubclass(error, FormatError)
    assert error.status == 400
    assert error.name.startswith("TPM_")
    assert error.__name__ in (__import__("schemas.tpm.errors").tpm.errors.__doc__ or "")
