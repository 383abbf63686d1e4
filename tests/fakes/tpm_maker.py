"""A maker of TPMs for tests: its CAs, certificates of its endorsement keys with any fault wanted, and the keys.

Certificates come from `cryptography`; what it refuses to write is edited into the bytes and signed again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from schemas.tpm.ek_templates import EK_AREAS
from schemas.tpm.public import Public
from verifier.endorsement.certificate import parse_certificate
from verifier.endorsement.trust import CertificatePool, TrustedRoot

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BEGIN, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
EK_PURPOSE = ObjectIdentifier("2.23.133.8.1")
MANUFACTURER, MODEL, FIRMWARE = (ObjectIdentifier(f"2.23.133.2.{number}") for number in (1, 2, 3))
CURVES = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
TEMPLATES = EK_AREAS


@cache
def private_key(kind: str, label: str = ""):
    """Return a private key, the same for the same words; it is made once."""
    if kind in CURVES:
        return ec.generate_private_key(CURVES[kind])
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


def area(template: str, key) -> Public:
    """Return the public area of an endorsement key made from a template of the profile."""
    numbers, shape = key.public_numbers(), TEMPLATES[template]
    if isinstance(key, rsa.RSAPublicKey):
        modulus = numbers.n.to_bytes((key.key_size + 7) // 8, "big")
        return replace(shape, key=replace(shape.key, modulus=modulus))
    length = key.key_size // 8
    x, y = (number.to_bytes(length, "big") for number in (numbers.x, numbers.y))
    return replace(shape, key=replace(shape.key, x=x, y=y))


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else [])


def usage(*uses: str) -> x509.KeyUsage:
    known = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    known += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{use: use in uses for use in known})


def tpm_names(manufacturer="id:53544D20", model="ST33TEST", firmware="id:00490014") -> x509.SubjectAlternativeName:
    pairs = ((MANUFACTURER, manufacturer), (MODEL, model), (FIRMWARE, firmware))
    attributes = [x509.NameAttribute(kind, text) for kind, text in pairs]
    return x509.SubjectAlternativeName([x509.DirectoryName(x509.Name(attributes))])


@dataclass(frozen=True)
class Authority:
    """A CA: its certificate (DER) and key."""

    raw: bytes
    key: object

    @property
    def certificate(self):
        return parse_certificate(self.raw)

    @property
    def fingerprint(self):
        return self.certificate.fingerprint

    @property
    def subject(self):
        return x509.load_der_x509_certificate(self.raw).subject


def certify(subject, public_key, issuer, signing_key, extensions, *, begin=BEGIN, end=END, serial=7) -> bytes:
    """Return a certificate; ``extensions`` are (value, critical)."""
    builder = x509.CertificateBuilder(issuer, subject, public_key, serial, begin, end)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.sign(signing_key, hashes.SHA256()).public_bytes(Encoding.DER)


def authority(
    common, parent=None, *, kind="p256", ca=True, path_length=None, uses=("key_cert_sign",), purposes=None, **options
) -> Authority:
    """Return a CA under ``parent``, or a root without one."""
    key = private_key(kind, common)
    extensions = [*options.pop("more", ()), (x509.BasicConstraints(ca, path_length), True)]
    extensions += [(usage(*uses), True)] if uses else []
    extensions += [(x509.ExtendedKeyUsage([ObjectIdentifier(p) for p in purposes]), False)] if purposes else []
    issuer, signer = (name(common), key) if parent is None else (parent.subject, parent.key)
    issuer = options.pop("issuer", issuer)
    return Authority(certify(name(common), key.public_key(), issuer, signer, extensions, **options), key)


def ek_certificate(
    maker: Authority,
    public_key,
    *,
    ca=False,
    uses=("key_encipherment",),
    purposes=(EK_PURPOSE,),
    names=None,
    more=(),
    **options,
) -> bytes:
    """Return a certificate of an endorsement key, as the TCG's profile wants it but for what is given."""
    extensions = [*more, (names or tpm_names(), True)]
    extensions += [] if ca is None else [(x509.BasicConstraints(ca, None), True)]
    extensions += [(usage(*uses), True)] if uses else []
    extensions += [(x509.ExtendedKeyUsage(purposes), False)] if purposes else []
    issuer = options.pop("issuer", maker.subject)
    return certify(name(options.pop("subject", "")), public_key, issuer, maker.key, extensions, **options)


def length(count: int) -> bytes:
    if count < 0x80:
        return bytes([count])
    raw = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(raw)]) + raw


def tagged(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes([tag]) + length(len(content)) + content


def resigned(raw: bytes, key, *edits: tuple[bytes, bytes], algorithm=None) -> bytes:
    """Return the certificate with bytes of its TBS replaced (by as many), signed again by ``key``."""
    read = parse_certificate(raw)
    tbs = read.tbs
    for old, new in edits:
        assert old in tbs
        assert len(old) == len(new)
        tbs = tbs.replace(old, new)
    how = algorithm or hashes.SHA256()
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(tbs, padding.PKCS1v15(), how)
    else:
        signature = key.sign(tbs, ec.ECDSA(how))
    outer = raw[raw.index(read.tbs) + len(read.tbs) :]
    identifier = outer[: 2 + outer[1]]
    for old, new in edits:
        identifier = identifier.replace(old, new)
    return tagged(0x30, tbs, identifier, tagged(0x03, b"\0", signature))


def trusted(*roots: Authority, root_class="hardware", manufacturer="") -> dict[str, TrustedRoot]:
    return {
        root.fingerprint: TrustedRoot(fingerprint=root.fingerprint, root_class=root_class, manufacturer=manufacturer)
        for root in roots
    }


def pool(*authorities: Authority) -> CertificatePool:
    return CertificatePool(one.certificate for one in authorities)
