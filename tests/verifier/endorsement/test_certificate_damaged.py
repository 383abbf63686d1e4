"""Certificates with damage of every kind: read or refused by name, and never believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import GreenError
from tests.fakes import tpm_maker as maker
from tests.vectors import shared
from tests.verifier.endorsement.bundles import TPM, authorities, collections
from verifier.endorsement.certificate import parse_certificate, signature_problem
from verifier.endorsement.ek_chain import check_endorsement
from verifier.endorsement.errors import EkCertificateMalformedError, EndorsementError
from verifier.endorsement.roots import trust_of
from verifier.endorsement.trust import CertificatePool

CERTIFICATE = maker.ek_certificate(maker.authority("Root"), maker.private_key("p256", "ek").public_key())


def real_certificate():
    return shared(f"{TPM}/real_ek/keylime_test_cert_utils_st_ecdsa_sha256_der.der").read_bytes()


def outcome(raw):
    """Return whether it was read; anything else than a refusal by name passes through."""
    try:
        parse_certificate(raw)
    except EkCertificateMalformedError:
        return False
    except GreenError as error:
        raise AssertionError(f"another error: {error!r}") from error
    return True


def test_every_truncation_of_a_real_certificate_is_refused_by_name():
    raw = real_certificate()
    assert outcome(raw)
    assert not any(outcome(raw[:end]) for end in range(len(raw)))


def test_every_changed_byte_of_a_real_certificate_is_read_or_refused_by_name_and_never_believed():
    raw = real_certificate()
    issuer = next(parse_certificate(r) for _, r in collections() if b"STM TPM ECC Intermediate CA 01" in r)
    assert signature_problem(parse_certificate(raw), issuer.public_key) is None
    for position in range(len(raw)):
        for mask in (0x01, 0x80, 0xFF):
            changed = raw[:position] + bytes([raw[position] ^ mask]) + raw[position + 1 :]
            if outcome(changed):
                assert signature_problem(parse_certificate(changed), issuer.public_key) is not None


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_be_refused_by_name(raw):
    assert not outcome(raw)


@given(st.data())
def test_spliced_certificates_are_read_or_refused_by_name(data):
    start = data.draw(st.integers(0, len(CERTIFICATE)))
    end = data.draw(st.integers(start, len(CERTIFICATE)))
    outcome(CERTIFICATE[:start] + data.draw(st.binary(max_size=40)) + CERTIFICATE[end:])


def test_no_changed_byte_of_a_real_certificate_is_endorsed():
    raw = real_certificate()
    known = CertificatePool(authorities().values())
    ek = maker.area("L-2", parse_certificate(raw).public_key).encode()

    def endorse(certificate):
        return check_endorsement(ek, certificate, known=known, trust=trust_of(), denied=(), now=maker.NOW)

    assert endorse(raw).root_class == "hardware"
    for position in range(len(raw)):
        with pytest.raises(EndorsementError):
            endorse(raw[:position] + bytes([raw[position] ^ 0x04]) + raw[position + 1 :])
