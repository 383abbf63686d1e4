"""The reader: every real certificate loads, every damaged one is told so and nothing else happens."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ObjectIdentifier

from tests.fakes import tpm_maker as maker
from tests.vectors import shared
from tests.verifier.endorsement.bundles import BUNDLES, TPM, blocks, collections
from verifier.endorsement import der
from verifier.endorsement.certificate import MAX_CERTIFICATE_BYTES, parse_certificate, signature_problem
from verifier.endorsement.errors import EkCertificateMalformedError
from verifier.endorsement.extensions import KeyUsage

ROOT = maker.authority("Root", kind="rsa2048")
EK = maker.private_key("p256", "ek").public_key()
CERTIFICATE = maker.ek_certificate(ROOT, EK, uses=("key_agreement",))
EXTENSION_99 = ObjectIdentifier("2.5.29.99")


def unrecognized(value=b"\x05\x00", kind=EXTENSION_99, *, critical=False):
    return x509.UnrecognizedExtension(kind, value), critical


def oid(last):
    return bytes([0x06, 0x03, 0x55, 0x1D, last])


def test_every_certificate_of_the_makers_bundles_loads():
    paths = sorted(shared(BUNDLES).glob("*/*.pem"))
    raws = [raw for path in paths for raw in blocks(path)]
    assert len(raws) == 220
    read = {parse_certificate(raw).fingerprint: raw for raw in raws}
    assert len(read) == 193
    assert all(parse_certificate(raw).extensions.is_ca for raw in read.values())


def test_the_reader_and_the_library_agree_wherever_the_library_reads():
    compared = 0
    for _, raw in collections():
        try:
            theirs = x509.load_der_x509_certificate(raw)
        except ValueError:
            continue
        ours = parse_certificate(raw)
        assert ours.tbs == theirs.tbs_certificate_bytes
        assert ours.signature == theirs.signature
        assert ours.signature_algorithm == theirs.signature_algorithm_oid.dotted_string
        assert (ours.not_before, ours.not_after) == (theirs.not_valid_before_utc, theirs.not_valid_after_utc)
        assert ours.public_key == theirs.public_key()
        constraints = theirs.extensions.get_extension_for_class(x509.BasicConstraints).value
        assert (ours.extensions.is_ca, ours.extensions.path_length) == (constraints.ca, constraints.path_length)
        assert ours.fingerprint == theirs.fingerprint(hashes.SHA256()).hex()
        compared += 1
    assert compared > 180


def test_everything_of_a_certificate_is_read():
    urls = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                x509.AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://x.example/ca")
            )
        ]
    )
    own = x509.SubjectKeyIdentifier(b"own")
    theirs = x509.AuthorityKeyIdentifier(b"theirs", None, None)
    more = [(urls, False), (own, False), (theirs, False), unrecognized(critical=True)]
    read = parse_certificate(maker.ek_certificate(ROOT, EK, uses=("key_agreement",), more=more, subject="An EK"))
    assert (read.serial, read.issuer.text, read.subject.text) == (7, "CN=Root", "CN=An EK")
    assert (read.not_before, read.not_after) == (maker.BEGIN, maker.END)
    assert read.public_key == EK
    extensions = read.extensions
    assert not extensions.is_ca
    assert extensions.key_usage == KeyUsage.KEY_AGREEMENT
    assert extensions.purposes == ("2.23.133.8.1",)
    assert extensions.directory_name.find("2.23.133.2.2") == ("ST33TEST",)
    assert (extensions.subject_key_id, extensions.authority_key_id) == (b"own", b"theirs")
    assert extensions.issuer_urls == ("http://x.example/ca",)
    assert extensions.unknown_critical == ("2.5.29.99",)


@pytest.mark.parametrize("padding", [b"", b"\0" * 431, b"\xff" * 60])
def test_padding_of_nv_memory_is_left_out(padding):
    read = parse_certificate(CERTIFICATE + padding)
    assert read.raw == CERTIFICATE


@pytest.mark.parametrize("rest", [b"\x11" * 192, b"\0\xff", b"\x30\0", b"x"])
def test_other_bytes_behind_it_are_refused(rest):
    with pytest.raises(EkCertificateMalformedError, match="no padding"):
        parse_certificate(CERTIFICATE + rest)


def test_a_header_of_tpm_1_2_and_pem_are_refused_with_what_to_do():
    pem = x509.load_der_x509_certificate(CERTIFICATE).public_bytes(Encoding.PEM)
    untouched = shared(f"{TPM}/real_ek/hirs_ek_cert_untouched.cer").read_bytes()
    for raw in (pem, untouched):
        with pytest.raises(EkCertificateMalformedError, match="not begin as DER does"):
            parse_certificate(raw)


@pytest.mark.parametrize("size", [MAX_CERTIFICATE_BYTES + 1, 1 << 20])
def test_a_megabyte_is_refused_before_it_is_read(size):
    with pytest.raises(EkCertificateMalformedError, match="at most 16384"):
        parse_certificate(CERTIFICATE.ljust(size, b"\0"))


def test_an_empty_extended_key_usage_is_malformed():
    kind = x509.ExtendedKeyUsage.oid
    raw = maker.ek_certificate(ROOT, EK, purposes=(), more=[unrecognized(b"\x30\0", kind)])
    with pytest.raises(EkCertificateMalformedError, match="extKeyUsage: it is there, and empty"):
        parse_certificate(raw)


@pytest.mark.parametrize("last", [15, 17, 19, 37, 99])
def test_an_extension_that_stands_twice_is_refused(last):
    twin = unrecognized(kind=ObjectIdentifier("2.5.29.98"))
    raw = maker.ek_certificate(ROOT, EK, more=[unrecognized(), twin])
    doubled = maker.resigned(raw, ROOT.key, (oid(98), oid(last)))
    with pytest.raises(EkCertificateMalformedError, match="stands there twice"):
        parse_certificate(doubled)


def test_a_false_that_der_would_leave_out_is_read():
    explicit = unrecognized(b"\x30\x03\x01\x01\x00", x509.BasicConstraints.oid, critical=True)
    assert not parse_certificate(maker.ek_certificate(ROOT, EK, ca=None, more=[explicit])).extensions.is_ca


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"\x30\x03\x01\x01\x01", "neither 0x00 nor 0xff"),
        (b"\x30\x06\x01\x01\xff\x02\x01\x80", "path length"),
        (b"\x30\x07\x01\x01\xff\x02\x02\x01\x00", "path length"),
        (b"\x30\x80\x00\x00", "indefinite"),
        (b"\x30\x81\x00", "shortest form"),
        (b"\x30\x84\x00\x00\x00\x00", "indefinite, too long"),
        (b"\x30\x00\x00", "bytes too many"),
        (b"\x1f\x85\x01\x00", "more than one byte"),
        (b"\x31\x00", "tag 0x31"),
        (b"\x30\x02\x02\x00", "without a byte"),
        (b"\x30", "ends before"),
        (b"\x30\x05\x01\x01\xff", "says that it has 5 bytes"),
    ],
)
def test_values_that_are_not_der_are_told(value, told):
    raw = maker.ek_certificate(ROOT, EK, ca=None, more=[unrecognized(value, x509.BasicConstraints.oid)])
    with pytest.raises(EkCertificateMalformedError, match=told):
        parse_certificate(raw)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"\x30\x81\xc3" + b"\x06\x01\x2a" * 65, "more than 64 parts"),
        (b"\x30\x05\x06\x03\x80\x2a\x03", "leading zero"),
        (b"\x30\x03\x06\x01\x81", "cut off"),
        (b"\x30\x02\x06\x00", "empty"),
        (b"\x30\x23\x06\x21" + b"\x2a" * 33, "longer than 32"),
        (b"\x30\x02\x05\x00", "where an object identifier is expected"),
    ],
)
def test_purposes_that_are_none_are_told(value, told):
    raw = maker.ek_certificate(ROOT, EK, purposes=(), more=[unrecognized(value, x509.ExtendedKeyUsage.oid)])
    with pytest.raises(EkCertificateMalformedError, match=told):
        parse_certificate(raw)


@pytest.mark.parametrize("kind", [x509.BasicConstraints.oid, x509.KeyUsage.oid, x509.SubjectAlternativeName.oid])
def test_a_part_too_many_is_told(kind):
    value = {
        x509.BasicConstraints.oid: b"\x30\x06\x01\x01\xff\x01\x01\xff",
        x509.KeyUsage.oid: b"\x03\x02\x07\x80\x05\x00",
        x509.SubjectAlternativeName.oid: b"\x30\x04\xa4\x02\x05\x00",
    }[kind]
    own = ROOT.key
    builder = x509.CertificateBuilder(maker.name("R"), maker.name("R"), own.public_key(), 1, maker.BEGIN, maker.END)
    signed = builder.add_extension(unrecognized(value, kind)[0], critical=False).sign(own, hashes.SHA256())
    with pytest.raises(EkCertificateMalformedError, match=r"too many|is expected"):
        parse_certificate(signed.public_bytes(Encoding.DER))


def rebuilt(old, new):
    """Return the certificate with an element replaced by one of another length."""
    read = parse_certificate(CERTIFICATE)
    content = der.one(read.tbs, der.SEQUENCE, "").content
    assert content.count(old) == 1
    tbs = maker.tagged(der.SEQUENCE, content.replace(old, new))
    return maker.tagged(der.SEQUENCE, tbs, CERTIFICATE[CERTIFICATE.index(read.tbs) + len(read.tbs) :])


def test_parts_may_have_another_length():
    assert parse_certificate(rebuilt(b"\x02\x01\x07", b"\x02\x02\x07\x07")).serial == 0x0707
    # Some makers write negative ones.
    assert parse_certificate(rebuilt(b"\x02\x01\x07", b"\x02\x01\xff")).serial == -1


def test_a_serial_number_longer_than_any_is_refused():
    with pytest.raises(EkCertificateMalformedError, match="serial number of more than 40"):
        parse_certificate(rebuilt(b"\x02\x01\x07", maker.tagged(der.INTEGER, b"\x01" * 41)))


def test_an_rsa_key_longer_than_any_is_refused_before_it_is_used():
    identifier = maker.tagged(0x30, bytes.fromhex("06092a864886f70d0101010500"))
    numbers = maker.tagged(0x30, maker.tagged(2, b"\x00\xff" + b"\xff" * 1024), maker.tagged(2, b"\1\0\1"))
    long = maker.tagged(0x30, identifier, maker.tagged(3, b"\0", numbers))
    with pytest.raises(EkCertificateMalformedError, match="at most 8192 bits"):
        parse_certificate(rebuilt(own_key(), long))


def test_a_compressed_point_is_refused():
    point = EK.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    identifier = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
    with pytest.raises(EkCertificateMalformedError, match="both its coordinates"):
        parse_certificate(rebuilt(own_key(), maker.tagged(0x30, identifier, maker.tagged(3, b"\0", point))))


def own_key():
    return EK.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_a_name_longer_than_any_is_refused():
    long = maker.tagged(
        0x30, maker.tagged(0x31, maker.tagged(0x30, b"\x06\x03\x55\x04\x03", maker.tagged(12, b"a" * 513)))
    )
    short = ROOT.subject.public_bytes()
    with pytest.raises(EkCertificateMalformedError, match="at most 512"):
        parse_certificate(rebuilt(short, long))


def test_a_value_that_is_no_text_is_compared_by_its_bytes():
    odd = maker.tagged(0x30, maker.tagged(0x31, maker.tagged(0x30, b"\x06\x03\x55\x04\x03", b"\x05\x00")))
    assert parse_certificate(rebuilt(ROOT.subject.public_bytes(), odd)).issuer.text == "CN=#0500"


def test_text_in_a_name_that_is_not_its_encoding_is_refused():
    wrong = maker.tagged(0x30, maker.tagged(0x31, maker.tagged(0x30, b"\x06\x03\x55\x04\x03", b"\x0c\x01\xff")))
    with pytest.raises(EkCertificateMalformedError, match="not utf-8"):
        parse_certificate(rebuilt(ROOT.subject.public_bytes(), wrong))


def test_the_algorithm_has_to_be_the_same_inside_and_outside():
    sha256, sha384 = (bytes.fromhex("2a864886f70d0101") + bytes([last]) for last in (11, 12))
    read = parse_certificate(CERTIFICATE)
    inside = CERTIFICATE.replace(read.tbs, read.tbs.replace(sha256, sha384))
    with pytest.raises(EkCertificateMalformedError, match="inside and outside"):
        parse_certificate(inside)


@pytest.mark.parametrize("date", [b"201301000000Z", b"20010100000\0Z", b"2001010000000", b"200101000060Z"])
def test_a_date_that_is_none_is_refused(date):
    with pytest.raises(EkCertificateMalformedError, match="a date that is none"):
        parse_certificate(maker.resigned(CERTIFICATE, ROOT.key, (b"200101000000Z", date)))


def test_two_digit_years_begin_in_1950():
    old = maker.resigned(CERTIFICATE, ROOT.key, (b"200101000000Z", b"500101000000Z"))
    assert parse_certificate(old).not_before == datetime(1950, 1, 1, tzinfo=UTC)


def test_a_certificate_that_never_ends_is_read():
    never = parse_certificate(maker.ek_certificate(ROOT, EK, end=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)))
    assert never.not_after.year == 9999


def test_an_rsaes_oaep_key_is_an_rsa_key():
    # Of STMicroelectronics' ST33ZP24, 2014.
    raw = shared(f"{TPM}/real_ek/hirs_ek_cert_7_byte_header_removed.cer").read_bytes()
    read = parse_certificate(raw)
    assert isinstance(read.public_key, rsa.RSAPublicKey)
    assert read.public_key.key_size == 2048


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP256K1()), ec.generate_private_key(ec.SECP224R1())])
def test_a_key_on_another_curve_is_refused_by_name(key):
    with pytest.raises(EkCertificateMalformedError, match="P-256, P-384 and P-521 are read"):
        parse_certificate(maker.ek_certificate(ROOT, key.public_key()))


def test_a_point_off_its_curve_is_no_key():
    numbers = EK.public_numbers()
    y = numbers.y.to_bytes(32, "big")
    bad = maker.resigned(CERTIFICATE, ROOT.key, (y, bytes([y[0] ^ 1]) + y[1:]))
    with pytest.raises(EkCertificateMalformedError, match="those of no key"):
        parse_certificate(bad)


def test_two_spellings_of_one_name_are_one_name():
    printable = maker.resigned(ROOT.raw, ROOT.key, (b"\x0c\x04Root", b"\x13\x04rOOT"))
    assert parse_certificate(printable).subject.key == ROOT.certificate.subject.key
    other = parse_certificate(maker.resigned(ROOT.raw, ROOT.key, (b"Root", b"Boot")))
    assert other.subject.key != ROOT.certificate.subject.key


def test_what_nobody_would_see_in_a_name_is_replaced():
    hidden = maker.authority("a\u202eb\x07")
    assert hidden.certificate.subject.text == "CN=a\ufffdb\ufffd"


@pytest.mark.parametrize("kind", ["rsa2048", "p256", "p384", "p521"])
@pytest.mark.parametrize("how", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda how: how.name)
def test_a_signature_holds_over_the_bytes_as_they_came(kind, how):
    key = maker.private_key(kind, "signer")
    builder = x509.CertificateBuilder(maker.name("S"), maker.name("S"), key.public_key(), 1, maker.BEGIN, maker.END)
    read = parse_certificate(builder.sign(key, how).public_bytes(Encoding.DER))
    assert signature_problem(read, key.public_key()) is None
    assert "does not hold" in signature_problem(read, maker.private_key(kind, "another").public_key())


def test_a_key_of_another_kind_is_told_from_a_wrong_signature():
    assert "another kind" in signature_problem(parse_certificate(CERTIFICATE), EK)


def test_sha_1_is_refused_also_where_the_signature_holds():
    root = maker.authority("Old", kind="rsa2048")
    sha256, sha1 = (bytes.fromhex("2a864886f70d0101") + bytes([last]) for last in (11, 5))
    read = parse_certificate(maker.resigned(root.raw, root.key, (sha256, sha1), algorithm=hashes.SHA1()))
    root.key.public_key().verify(read.signature, read.tbs, padding.PKCS1v15(), hashes.SHA1())
    assert "RSA with SHA-1, which proves nothing" in signature_problem(read, root.key.public_key())


def test_an_algorithm_that_is_not_listed_is_refused_also_where_the_signature_holds():
    root = maker.authority("Old", kind="p256")
    sha256, sha224 = (bytes.fromhex("2a8648ce3d0403") + bytes([last]) for last in (2, 1))
    read = parse_certificate(maker.resigned(root.raw, root.key, (sha256, sha224), algorithm=hashes.SHA224()))
    root.key.public_key().verify(read.signature, read.tbs, ec.ECDSA(hashes.SHA224()))
    assert "1.2.840.10045.4.3.1, which proves nothing" in signature_problem(read, root.key.public_key())
