"""Every real certificate at hand that is, or is taken for, an endorsement key's: where it leads, or why nowhere."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.tpm_maker import area
from tests.vectors import shared
from tests.verifier.endorsement.bundles import TPM, authorities, blocks
from verifier.endorsement.certificate import parse_certificate
from verifier.endorsement.ek_chain import check_endorsement, find_chain
from verifier.endorsement.errors import (
    EkCertificateExpiredError,
    EkCertificateMalformedError,
    EkCertificateMismatchError,
    EkChainUntrustedError,
    EkKeyWeakError,
    EkRefusedError,
    EndorsementError,
)
from verifier.endorsement.roots import trust_of
from verifier.endorsement.trust import CertificatePool, TrustedRoot

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ENDORSED = {
    "real_ek/keylime_test_cert_utils_st_ecdsa_sha256_der.der": ("STM", "ST33HTPHAHB4", "73.4", "hardware"),
    "real_ek/keylime_test_cert_utils_st_sha256_with_rsa_der.der": ("STM", "ST33HTPHAHB4", "73.4", "hardware"),
    "gce_vtpm/uca_tpm_ecc_enc_cert.pem": ("GOOG", "vTPM", "8214.1297", "virtual"),
    "gce_vtpm/uca_tpm_rsa_enc_cert.pem": ("GOOG", "vTPM", "8214.1297", "virtual"),
    # These say nothing of their TPM, and that they are endorsement keys in their issuer alone.
    "gce_vtpm/pca_tpm_ecc_enc_cert.pem": ("GOOG", "", "", "virtual"),
    "gce_vtpm/pca_tpm_rsa_enc_cert.pem": ("GOOG", "", "", "virtual"),
}
SIGNING = "key usage is not encryption"
REFUSED = {
    # Keys of virtual TPMs that sign: two of them call themselves endorsement keys.
    "gce_vtpm/pca_tpm_ecc_sign_cert.pem": (EkRefusedError, SIGNING),
    "gce_vtpm/pca_tpm_rsa_sign_cert.pem": (EkRefusedError, SIGNING),
    "gce_vtpm/uca_tpm_ecc_sign_cert.pem": (EkRefusedError, SIGNING),
    "gce_vtpm/uca_tpm_rsa_sign_cert.pem": (EkRefusedError, SIGNING),
    # IBM's software TPM, and a key that is too short.
    "real_ek/hirs_ci_ek_cert.der": (EkKeyWeakError, "has 2041"),
    # Of 2014: until 2024, and signed with SHA-1 besides (see below).
    "real_ek/hirs_ek_cert_7_byte_header_removed.cer": (EkCertificateExpiredError, "2024-02-23"),
    # With the header of TPM 1.2, and with padding that is none.
    "real_ek/hirs_ek_cert_untouched.cer": (EkCertificateMalformedError, "not begin as DER"),
    "real_ek/hirs_ek_cert_with_security_assertions.cer": (EkCertificateMalformedError, "not begin as DER"),
    "real_ek/hirs_ek_cert_with_padded_bytes.cer": (EkCertificateMalformedError, "192 bytes"),
    # CAs and roots.
    "real_ek/hirs_fakestmtpmekint02.pem": (EkRefusedError, "a CA's"),
    "real_ek/hirs_stmtpmekint02.crt": (EkRefusedError, "a CA's"),
    "real_ek/hirs_stmtpmekint02.pem": (EkRefusedError, "a CA's"),
    "real_ek/hirs_stmtpmekroot.crt": (EkRefusedError, "a CA's"),
    "real_ek/keylime_test_cert_utils_nuvoton_ecdsa_sha256_der.der": (EkRefusedError, "a CA's"),
    "real_ek/keylime_test_registrar_agent_cert_compliance_valid_cert_pem.der": (EkRefusedError, "a CA's"),
    "real_ek/keylime_test_registrar_db_0.der": (EkRefusedError, "a CA's"),
    "real_ek/keylime_test_registrar_db_1.der": (EkRefusedError, "a CA's"),
    "real_ek/keylime_test_registrar_tpm_identity_ek_cert_pem.der": (EkRefusedError, "a CA's"),
    # Identities of a device, of a CA that nobody published.
    "real_ek/keylime_test_cert_utils_iak_der.der": (EkCertificateExpiredError, "2026-05-18"),
    "real_ek/keylime_test_cert_utils_idevid_der.der": (EkCertificateMalformedError, "of kind"),
    # A test's own, with an exponent that no TPM has.
    "real_ek/keylime_test_certificate_modeltype_compliant_cert_pem.der": (EkCertificateMismatchError, "another key"),
}
ATTESTATION_KEYS = (
    "verify_attestation_dell_xps_13",
    "verify_attestation_lenovo_carbon_x1",
    "verify_attestation_surface_pro_4",
    "verify_tpm_with_ecc_public_area_type",
)


@pytest.fixture(scope="module")
def known():
    return CertificatePool(authorities().values())


def enrol(raw, known, now=NOW):
    """Check a certificate as enrolment does, the public area made from its own key."""
    key = parse_certificate(raw).public_key
    ek = area("L-1" if isinstance(key, rsa.RSAPublicKey) else "L-2", key).encode()
    return check_endorsement(ek, raw, known=known, trust=trust_of(), denied=(), now=now)


def test_every_certificate_at_hand_is_accounted_for():
    folder = shared(TPM)
    found = {str(path.relative_to(folder)) for name in ("real_ek", "gce_vtpm") for path in (folder / name).iterdir()}
    assert found == ENDORSED.keys() | REFUSED.keys()


@pytest.mark.parametrize("path", ENDORSED)
def test_a_real_endorsement_key_leads_to_its_makers_root(path, known):
    (raw,) = blocks(shared(f"{TPM}/{path}"))
    found = enrol(raw, known)
    assert (found.manufacturer, found.model, found.firmware, found.root_class) == ENDORSED[path]
    assert found.chain[-1].fingerprint in trust_of()
    # Without the certificates above it, nothing is believed.
    with pytest.raises(EkChainUntrustedError, match="is not known"):
        enrol(raw, CertificatePool())


@pytest.mark.parametrize("path", REFUSED)
def test_what_is_no_endorsement_key_is_refused_for_its_reason(path, known):
    error, told = REFUSED[path]
    (raw,) = blocks(shared(f"{TPM}/{path}"))
    with pytest.raises(EndorsementError, match=told) as caught:
        enrol(raw, known)
    assert type(caught.value) is error


def test_a_real_chain_with_sha_1_is_not_believed(known):
    (raw,) = blocks(shared(f"{TPM}/real_ek/hirs_ek_cert_7_byte_header_removed.cer"))
    with pytest.raises(EkChainUntrustedError, match="RSA with SHA-1"):
        enrol(raw, known, now=datetime(2020, 1, 1, tzinfo=UTC))


def test_a_fake_of_a_real_intermediate_does_not_stand_in_for_it(known):
    (fake,) = blocks(shared(f"{TPM}/real_ek/hirs_fakestmtpmekint02.pem"))
    pretender = parse_certificate(fake)
    with pytest.raises(EkChainUntrustedError, match="CN=Fake Root CA is not known"):
        find_chain(pretender, known, trust_of(), NOW)


@pytest.mark.parametrize("folder", ATTESTATION_KEYS)
def test_a_real_certificate_of_an_attestation_key_is_no_endorsement_keys(folder, known):
    place = shared(f"{TPM}/real_webauthn/{folder}")
    leaf, above = (parse_certificate((place / f"x5c_{number}.der").read_bytes()) for number in (0, 1))
    then = leaf.not_before
    pool = known.with_more([above])
    with pytest.raises(EkRefusedError, match="key usage is not encryption"):
        enrol(leaf.raw, pool, now=then)
    # Nor is its CA one for endorsement keys, though its root is a trusted one.
    with pytest.raises(EkChainUntrustedError, match="other purposes"):
        find_chain(leaf, pool, trust_of(), then)


def test_every_intermediate_at_hand_leads_to_a_shipped_root_or_is_known_not_to(known):
    rootless = set()
    for certificate in authorities().values():
        try:
            if certificate.fingerprint not in trust_of():
                find_chain(certificate, known, trust_of(), NOW)
        except EkChainUntrustedError:
            rootless.add(certificate.subject.find("2.5.4.3")[0])
    pluton = {name for name in rootless if name.startswith("AMD Pluton Per-Product Factory")}
    assert len(pluton) == 10
    # data/NOTICE.txt: the roots of these are in no collection.
    assert rootless - pluton == {
        "AMD Pluton Global Factory ICA",
        "Aliyun TPM EKMF CA",
        "Nationz TPM Manufacturing CA 001",
        "IFX TPM EK Root CA",
        *(f"IFX TPM EK Intermediate CA {number:02}" for number in (1, 2, 3, 4, 5, 8, 15, 17, 18, 20, 21)),
    }


def test_an_operator_may_trust_what_is_no_root_by_its_fingerprint(known):
    named = {certificate.subject.find("2.5.4.3")[0]: certificate for certificate in authorities().values()}
    factory = named["AMD Pluton Global Factory ICA"]
    product = named["AMD Pluton Per-Product Factory FIPS EK ICA DFID00B20F00"]
    trust = trust_of([TrustedRoot(fingerprint=factory.fingerprint, root_class="hardware", manufacturer="AMD")])
    chain, root = find_chain(product, known, trust, NOW)
    assert (chain[-1], root.manufacturer) == (factory, "AMD")
