"""From an endorsement key to a root: what has to hold, and each way in which it does not."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from schemas import digests
from schemas.tpm.errors import TpmStructureError
from tests.fakes import tpm_maker as maker
from verifier.endorsement.denied import Denial
from verifier.endorsement.ek_chain import MAX_SENT, check_endorsement
from verifier.endorsement.errors import (
    EkCertificateExpiredError,
    EkCertificateMalformedError,
    EkCertificateMismatchError,
    EkChainUntrustedError,
    EkRefusedError,
    TpmDeniedError,
)

ROOT = maker.authority("Root", kind="p384")
CA = maker.authority("CA", ROOT, path_length=0, purposes=["2.23.133.8.1"])
EK_KEY = maker.private_key("rsa2048", "ek").public_key()
EK = maker.area("L-1", EK_KEY).encode()
AIK_PURPOSE = ObjectIdentifier("2.23.133.8.3")
DAY = timedelta(days=1)


def check(certificate=None, *, ek=EK, sent=(), known=(ROOT, CA), roots=(ROOT,), denied=(), now=maker.NOW, **trust):
    certificate = maker.ek_certificate(CA, EK_KEY) if certificate is None else certificate
    pool, trusted = maker.pool(*known), maker.trusted(*roots, **trust)
    return check_endorsement(ek, certificate, sent=sent, known=pool, trust=trusted, denied=denied, now=now)


def test_a_key_whose_chain_ends_at_a_trusted_root_is_endorsed():
    certificate = maker.ek_certificate(CA, EK_KEY)
    found = check(certificate)
    assert [link.raw for link in found.chain] == [certificate, CA.raw, ROOT.raw]
    assert (found.manufacturer, found.model, found.firmware) == ("STM", "ST33TEST", "73.20")
    assert found.ek_digest == digests.digest(EK)
    assert found.ek.area.encode() == EK
    assert found.root_class == "hardware"


@pytest.mark.parametrize(
    ("kind", "template", "uses"),
    [
        ("rsa3072", "H-6", "key_encipherment"),
        ("p256", "L-2", "key_agreement"),
        ("p256", "H-2", "key_agreement"),
        ("p384", "H-3", "key_agreement"),
    ],
)
def test_keys_of_the_other_templates_are_endorsed(kind, template, uses):
    key = maker.private_key(kind, "ek").public_key()
    certificate = maker.ek_certificate(CA, key, uses=(uses,))
    assert check(certificate, ek=maker.area(template, key).encode()).ek.template == template


@pytest.mark.parametrize("root_class", ["hardware", "virtual", "emulated"])
def test_what_the_root_vouches_for_is_what_is_said(root_class):
    assert check(root_class=root_class).root_class == root_class


def test_a_chain_straight_to_the_root_holds():
    assert len(check(maker.ek_certificate(ROOT, EK_KEY)).chain) == 2


def test_intermediates_may_come_out_of_the_tpm():
    above = (CA.certificate, ROOT.certificate)
    assert check(sent=[CA.raw], known=[ROOT]).chain[1:] == above
    # The root's certificate too: its fingerprint is the trust.
    assert check(sent=[CA.raw + bytes(9), ROOT.raw], known=[]).chain[1:] == above


def test_a_certificate_in_the_tpm_that_cannot_be_read_only_cannot_help():
    assert check(sent=[b"\x30\x04firs", CA.raw], known=[ROOT]).root_class == "hardware"
    with pytest.raises(EkChainUntrustedError, match=r"CN=CA is not known.*import.*intermediates\[0\] cannot be read"):
        check(sent=[b"\x30\x04firs"], known=[ROOT])


def test_more_intermediates_than_a_tpm_has_are_refused():
    with pytest.raises(EkCertificateMalformedError, match="at most 16"):
        check(sent=[CA.raw] * (MAX_SENT + 1))


def test_without_the_issuers_certificate_there_is_no_chain():
    with pytest.raises(EkChainUntrustedError, match="issuer CN=CA is not known"):
        check(known=[ROOT])


def test_a_root_that_is_not_trusted_ends_no_chain():
    with pytest.raises(EkChainUntrustedError, match=f"{ROOT.fingerprint} is not"):
        check(roots=())


def test_a_root_of_the_same_name_and_another_key_is_another_root():
    twin = maker.Authority(
        maker.certify(maker.name("Root"), maker.private_key("p256", "evil").public_key(), maker.name("Root"),
                      maker.private_key("p256", "evil"), [(x509.BasicConstraints(ca=True, path_length=None), True)]),
        maker.private_key("p256", "evil"),
    )  # fmt: skip
    forged = maker.ek_certificate(twin, EK_KEY)
    with pytest.raises(EkChainUntrustedError):
        check(forged, sent=[twin.raw])
    # Beside the right one it does no harm.
    assert check(sent=[twin.raw]).root_class == "hardware"


def test_a_self_signed_endorsement_key_is_untrusted():
    own = maker.Authority(
        maker.certify(maker.name("EK"), EK_KEY, maker.name("EK"), maker.private_key("rsa2048", "ek"),
                      [(x509.BasicConstraints(ca=True, path_length=None), True)]),
        maker.private_key("rsa2048", "ek"),
    )  # fmt: skip
    certificate = maker.ek_certificate(own, EK_KEY, subject="EK")
    with pytest.raises(EkChainUntrustedError, match="names itself as its issuer"):
        check(certificate)
    with pytest.raises(EkChainUntrustedError, match="not one that is trusted"):
        check(certificate, sent=[own.raw])


def test_a_certificate_for_another_key_is_refused():
    for other in (maker.private_key("rsa2048", "other"), maker.private_key("p256", "other")):
        with pytest.raises(EkCertificateMismatchError):
            check(maker.ek_certificate(CA, other.public_key()))


def test_a_forged_signature_ends_the_chain():
    certificate = maker.ek_certificate(CA, EK_KEY)
    with pytest.raises(EkChainUntrustedError, match="signature does not hold"):
        check(certificate[:-1] + bytes([certificate[-1] ^ 1]))


def test_a_ca_is_no_endorsement_key():
    with pytest.raises(EkRefusedError, match="a CA's"):
        check(maker.ek_certificate(CA, EK_KEY, ca=True))


def test_without_basic_constraints_it_is_no_ca():
    assert check(maker.ek_certificate(CA, EK_KEY, ca=None)).root_class == "hardware"


@pytest.mark.parametrize(
    "purposes", [(AIK_PURPOSE,), (ExtendedKeyUsageOID.SERVER_AUTH,), (ObjectIdentifier("2.5.29.37.0"),)]
)
def test_another_extended_key_usage_is_refused(purposes):
    with pytest.raises(EkRefusedError, match="extended key usage is not"):
        check(maker.ek_certificate(CA, EK_KEY, purposes=purposes))


def test_without_extended_key_usage_the_issuer_has_to_be_limited_to_endorsement_keys():
    assert check(maker.ek_certificate(CA, EK_KEY, purposes=())).root_class == "hardware"
    broad = maker.authority("Broad", ROOT, purposes=["2.23.133.8.1", "2.23.133.8.3"])
    for issuer in (ROOT, broad):
        with pytest.raises(EkRefusedError, match="not limited to such"):
            check(maker.ek_certificate(issuer, EK_KEY, purposes=()), known=[ROOT, broad])


@pytest.mark.parametrize("uses", [("digital_signature",), ("key_cert_sign", "key_encipherment")])
def test_another_key_usage_is_refused(uses):
    with pytest.raises(EkRefusedError, match=r"usage is not encryption|sign certificates"):
        check(maker.ek_certificate(CA, EK_KEY, uses=uses))


def test_the_oldest_certificates_have_no_key_usage():
    assert check(maker.ek_certificate(CA, EK_KEY, uses=())).root_class == "hardware"


def test_an_unknown_critical_extension_is_refused_and_another_is_not():
    for critical in (True, False):
        unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.11129.2.1.21"), b"\x05\0")
        certificate = maker.ek_certificate(CA, EK_KEY, more=[(unknown, critical)])
        if critical:
            with pytest.raises(EkRefusedError, match=r"critical extension 1\.3\.6"):
                check(certificate)
        else:
            assert check(certificate).root_class == "hardware"


@pytest.mark.parametrize(("begin", "end"), [(maker.BEGIN, maker.NOW - DAY), (maker.NOW + DAY, maker.END)])
def test_a_certificate_that_is_not_valid_now_is_refused(begin, end):
    with pytest.raises(EkCertificateExpiredError, match="as of 2026-06-01"):
        check(maker.ek_certificate(CA, EK_KEY, begin=begin, end=end))


def test_both_ends_of_its_time_are_included():
    for begin, end in ((maker.NOW, maker.END), (maker.BEGIN, maker.NOW)):
        assert check(maker.ek_certificate(CA, EK_KEY, begin=begin, end=end)).root_class == "hardware"


@pytest.mark.parametrize(("begin", "end"), [(maker.BEGIN, maker.NOW - DAY), (maker.NOW + DAY, maker.END)])
def test_an_intermediate_that_is_not_valid_now_ends_the_chain_and_a_root_does_not(begin, end):
    old = maker.authority("Old CA", ROOT, begin=begin, end=end)
    certificate = maker.ek_certificate(old, EK_KEY)
    with pytest.raises(EkChainUntrustedError, match="CN=Old CA: it is valid from"):
        check(certificate, known=[old, ROOT])
    # The same certificate, trusted by its fingerprint.
    assert check(certificate, known=[old], roots=[old]).root_class == "hardware"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"ca": False}, "it is no CA"),
        ({"uses": ("digital_signature",)}, "may not sign certificates"),
        ({"purposes": ["2.23.133.8.3", "1.3.6.1.4.1.311.21.36"]}, "other purposes than endorsement keys"),
        (
            {"more": [(x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.30"), b"\x30\0"), True)]},
            r"critical extension 2\.5\.29\.30",
        ),
    ],
)
@pytest.mark.parametrize("place", ["intermediate", "root"])
def test_an_issuer_that_may_not_issue_ends_the_chain(options, told, place):
    wrong = maker.authority("Wrong", None if place == "root" else ROOT, **options)
    with pytest.raises(EkChainUntrustedError, match=f"CN=Wrong: .*{told}"):
        check(maker.ek_certificate(wrong, EK_KEY), known=[wrong, ROOT], roots=[wrong] if place == "root" else [ROOT])


def test_an_endorsement_key_cannot_issue_another():
    inner = maker.private_key("rsa2048", "inner")
    middle = maker.Authority(
        maker.ek_certificate(CA, inner.public_key(), subject="Inner", uses=("key_encipherment", "key_cert_sign")), inner
    )
    with pytest.raises(EkChainUntrustedError, match="CN=Inner: it is no CA"):
        check(maker.ek_certificate(middle, EK_KEY), sent=[middle.raw])


def test_more_cas_than_a_path_length_allows_end_the_chain():
    below = maker.authority("Below", CA)
    with pytest.raises(EkChainUntrustedError, match="CN=CA: it may have 0 CAs below it, and there are 1"):
        check(maker.ek_certificate(below, EK_KEY), known=[ROOT, CA, below])
    roomy = maker.authority("Roomy", ROOT, path_length=1)
    below = maker.authority("Below 2", roomy)
    assert len(check(maker.ek_certificate(below, EK_KEY), known=[ROOT, roomy, below]).chain) == 4


def test_the_path_length_of_the_root_counts_too():
    narrow = maker.authority("Narrow", path_length=0)
    below = maker.authority("Under Narrow", narrow)
    with pytest.raises(EkChainUntrustedError, match="CN=Narrow: it may have 0"):
        check(maker.ek_certificate(below, EK_KEY), known=[narrow, below], roots=[narrow])


def test_a_signature_by_the_right_key_under_another_name_ends_the_chain():
    certificate = maker.ek_certificate(CA, EK_KEY, issuer=maker.name("Somebody"))
    with pytest.raises(EkChainUntrustedError, match="issuer CN=Somebody is not known"):
        check(certificate)


def test_sha_1_is_refused_at_the_leaf_and_above():
    sha256, sha1 = (bytes.fromhex("2a864886f70d0101") + bytes([last]) for last in (11, 5))
    root = maker.authority("RSA Root", kind="rsa2048")
    leaf = maker.resigned(maker.ek_certificate(root, EK_KEY), root.key, (sha256, sha1), algorithm=hashes.SHA1())
    with pytest.raises(EkChainUntrustedError, match="RSA with SHA-1"):
        check(leaf, known=[root], roots=[root])
    below = maker.authority("SHA-1 CA", root)
    weak = maker.Authority(maker.resigned(below.raw, root.key, (sha256, sha1), algorithm=hashes.SHA1()), below.key)
    with pytest.raises(EkChainUntrustedError, match="issuer of CN=SHA-1 CA: it is signed with RSA with SHA-1"):
        check(maker.ek_certificate(weak, EK_KEY), known=[root, weak], roots=[root])


def test_a_ca_with_a_weak_key_ends_the_chain():
    weak = maker.authority("Weak", kind="rsa1024")
    with pytest.raises(EkChainUntrustedError, match="at least 2048 bits"):
        check(maker.ek_certificate(weak, EK_KEY), known=[weak], roots=[weak])


def test_the_roots_manufacturer_stands_in_for_one_that_is_not_said():
    nameless = x509.SubjectAlternativeName([x509.DNSName("tpm.example")])
    assert check(maker.ek_certificate(CA, EK_KEY, names=nameless), manufacturer="NTC").manufacturer == "NTC"
    assert check(manufacturer="NTC").manufacturer == "STM"


def test_a_denied_manufacturer_or_model_is_refused_and_firmware_is_judged_later():
    def denial(**members):
        return Denial(reason="it leaks", source="a test", **members)

    for row in (denial(manufacturer="STM"), denial(manufacturer="STM", model="ST33TEST")):
        with pytest.raises(TpmDeniedError, match=r"STM ST33TEST.*it leaks"):
            check(denied=[row])
    others = [
        denial(manufacturer="IFX"),
        denial(manufacturer="STM", model="ST33OTHER"),
        denial(manufacturer="STM", firmware="73.20"),
        denial(manufacturer="STM", key="ecc"),
    ]
    assert check(denied=others).manufacturer == "STM"


@pytest.mark.parametrize("raw", [b"", b"\x30\x00", b"\x30\x80\0\0", b"junk", b"\0" * (1 << 20)])
def test_what_is_no_certificate_is_malformed(raw):
    with pytest.raises(EkCertificateMalformedError):
        check(raw)


def test_what_is_no_public_area_is_malformed():
    with pytest.raises(TpmStructureError):
        check(ek=EK[:-1])
