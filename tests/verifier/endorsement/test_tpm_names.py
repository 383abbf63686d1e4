"""Who made a TPM, by its certificate."""

import pytest
from cryptography import x509

from tests.fakes import tpm_maker as maker
from verifier.endorsement.certificate import parse_certificate
from verifier.endorsement.tpm_names import manufacturer_letters, read_tpm_identity

ROOT = maker.authority("Root")
KEY = maker.private_key("p256", "ek").public_key()


def identity(names):
    return read_tpm_identity(parse_certificate(maker.ek_certificate(ROOT, KEY, names=names)))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("id:53544D20", "STM"),
        ("id:4E544300", "NTC"),
        ("id:494E5443", "INTC"),
        ("id:00001014", "id:00001014"),
        ("id:5354", "id:5354"),
        ("Maker", "Maker"),
        ("a\u202eb", "a\ufffdb"),
        ("x" * 100, "x" * 64),
    ],
)
def test_a_manufacturer_is_written_in_letters(written, read):
    assert identity(maker.tpm_names(manufacturer=written)).manufacturer == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("id:00490004", "73.4"),
        ("id:0D0C", "13.12"),
        ("id:13", "1.3"),
        ("id:20160511", "8214.1297"),
        ("id:123", "id:123"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_firmware_is_written_as_its_maker_does(written, read):
    assert identity(maker.tpm_names(firmware=written)).firmware == read


def test_a_certificate_may_say_nothing_of_its_tpm():
    found = identity(x509.SubjectAlternativeName([x509.DNSName("tpm.example")]))
    assert (found.manufacturer, found.model, found.firmware) == ("", "", "")


def test_swtpms_maker_is_ibms_number():
    assert manufacturer_letters(0x49424D00) == "IBM"
    assert manufacturer_letters(0x1014) == "id:00001014"
