import pytest

from agent.tpm.certificates import first_certificate, split_certificates

SHORT = b"\x30\x03abc"
LONG = b"\x30\x82\x01\x00" + bytes(256)
MIDDLE = b"\x30\x81\x80" + bytes(128)


@pytest.mark.parametrize("certificate", [SHORT, MIDDLE, LONG])
@pytest.mark.parametrize("padding", [b"", b"\0" * 100, b"\xff" * 100])
def test_padding_behind_a_certificate_is_left_out(certificate, padding):
    assert first_certificate(certificate + padding) == certificate


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x30",
        b"\x31\x03abc",
        SHORT[:-1],
        LONG[:-1],
        b"\x30\x82\x01",
        b"\x30\x80abc",
        b"\x30\x83\0\0\x01a",
        b"\0" * 9,
    ],
)
def test_what_is_no_certificate_or_cut_is_none(content):
    assert first_certificate(content) is None
    assert split_certificates(content) == ()


def test_certificates_are_split_with_padding_between_them():
    assert split_certificates(b"\0" + SHORT + b"\xff\xff" + LONG + MIDDLE + b"\0\0") == (SHORT, LONG, MIDDLE)


def test_a_cut_certificate_ends_the_list():
    assert split_certificates(SHORT + LONG[:-1]) == (SHORT,)
