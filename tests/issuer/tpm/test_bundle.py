"""How a bundle of certificates is taken in, and one root by an operator's word."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.tpm import bundle as bundles
from issuer.tpm.bundle import explicit_root, sort_bundle
from issuer.tpm.errors import TrustBundleError
from tests.fakes import tpm_maker as maker
from tests.vectors import shared
from tests.verifier.endorsement.bundles import BUNDLES, TPM
from verifier.endorsement.roots import trust_of

ROOT = maker.authority("Root")
CA = maker.authority("CA", ROOT)
LEAF = maker.ek_certificate(CA, maker.private_key("p256", "ek").public_key())


def pem(*raws):
    return b"# a comment\n".join(x509.load_der_x509_certificate(raw).public_bytes(Encoding.PEM) for raw in raws)


def test_an_operators_root_has_the_class_that_was_said():
    added = explicit_root(ROOT.certificate, "emulated", "IBM")
    assert (added.fingerprint, added.root_class, added.manufacturer) == (ROOT.fingerprint, "emulated", "IBM")


def test_what_is_no_ca_cannot_be_a_root():
    with pytest.raises(TrustBundleError, match="no CA"):
        explicit_root(maker.parse_certificate(LEAF), "emulated")


@pytest.mark.parametrize("name", ["MIRROR.tpm-ca-certificates.pem", "MIRROR.tpm-intermediate-ca-certificates.pem"])
def test_a_published_bundle_is_taken_whole(name):
    bundle = sort_bundle(shared(f"{BUNDLES}/tpm-ca-certificates/{name}").read_bytes(), trust_of())
    assert bundle.refused == ()
    counts = {"MIRROR.tpm-ca-certificates.pem": (23, 3), "MIRROR.tpm-intermediate-ca-certificates.pem": (0, 143)}
    assert (len(bundle.roots), len(bundle.intermediates)) == counts[name]


def test_a_root_in_der_is_taken():
    bundle = sort_bundle(shared(f"{TPM}/gce_vtpm_ca/tpm_ek_root_1.cer").read_bytes(), trust_of())
    assert [root.extensions.is_ca for root in bundle.roots] == [True]


def test_only_roots_of_a_trusted_fingerprint_are_taken():
    content = pem(ROOT.raw, CA.raw, LEAF, CA.raw)
    bundle = sort_bundle(content, trust_of())
    assert bundle.roots == ()
    assert bundle.intermediates == (CA.certificate,)
    assert [(one.position, one.subject) for one in bundle.refused] == [(1, "CN=Root"), (3, "(empty)")]
    assert [one.reason.split(";")[0] for one in bundle.refused] == [
        "a root whose fingerprint is not trusted",
        "it is no CA",
    ]
    assert bundle.refused[0].fingerprint == ROOT.fingerprint
    assert sort_bundle(content, maker.trusted(ROOT)).roots == (ROOT.certificate,)


def test_an_intermediate_that_is_trusted_is_a_root():
    assert sort_bundle(CA.raw, maker.trusted(CA)).roots == (CA.certificate,)


def test_what_cannot_be_read_is_told_with_its_place():
    broken = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    odd = broken.replace(b"MAA=", b"MAA=A")
    bundle = sort_bundle(pem(CA.raw) + broken + odd, trust_of())
    assert [one.position for one in bundle.refused] == [2, 3]
    assert all("certificate" in one.reason for one in bundle.refused)
    assert len(bundle.intermediates) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (pem(CA.raw)[:-30], "not whole"),
        (pem(CA.raw).replace(b"MII", b"M*I"), "not whole"),
        (bytes(bundles.MAX_BUNDLE_BYTES + 1), "at most 8388608"),
        (b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n" * 4097, "at most 4096"),
    ],
)
def test_a_bundle_that_is_damaged_or_too_large_is_refused(content, told):
    with pytest.raises(TrustBundleError, match=told):
        sort_bundle(content, trust_of())


def test_what_is_neither_pem_nor_der_is_told():
    bundle = sort_bundle(b"<html>not found</html>", trust_of())
    assert [one.position for one in bundle.refused] == [1]
    assert bundle.intermediates == bundle.roots == ()
