"""X.509 certificates of TPM makers (RFC 5280), read so that the bytes under the signature stay as they came.

There is one reader for all of them: `cryptography`'s own refuses many that are in use (sets out of order, explicit
defaults, padding, RSAES-OAEP keys), and two readers would be two readings. It keeps the TBS bytes, and signatures are
checked over these with `cryptography`'s primitives.

SHA-1 is refused everywhere in a chain. Of the makers' certificates at hand, fourteen are signed with it: twelve of
Infineon's TPM 1.2 time, whose root nobody publishes any more, and two of Nuvoton's roots, whose own signatures nobody
needs, since a root is trusted by its fingerprint.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from msgspec import Struct

from verifier.endorsement import der
from verifier.endorsement.errors import EkCertificateMalformedError
from verifier.endorsement.extensions import Extensions, read_extensions
from verifier.endorsement.names import Name, read_name
from verifier.endorsement.subject_key import read_subject_key

MAX_CERTIFICATE_BYTES: Final = 16 * 1024
"""Ten times the largest certificate of a TPM's maker, padding of an NV index with it."""

_RSA_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "1.2.840.113549.1.1.11": hashes.SHA256(),
    "1.2.840.113549.1.1.12": hashes.SHA384(),
    "1.2.840.113549.1.1.13": hashes.SHA512(),
}
_ECDSA_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "1.2.840.10045.4.3.2": hashes.SHA256(),
    "1.2.840.10045.4.3.3": hashes.SHA384(),
    "1.2.840.10045.4.3.4": hashes.SHA512(),
}
_REFUSED: Final = {"1.2.840.113549.1.1.5": "RSA with SHA-1", "1.2.840.10045.4.1": "ECDSA with SHA-1"}

_WHAT: Final = "certificate"
_VERSION: Final = 0xA0
_UNIQUE_IDS: Final = (0x81, 0x82)
_EXTENSIONS: Final = 0xA3
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_TIMES: Final = {_UTC_TIME: re.compile(rb"[0-9]{12}Z"), _GENERALIZED_TIME: re.compile(rb"[0-9]{14}Z")}
# RFC 5280 §4.1.2.5.1.
_FIRST_TWO_DIGIT_YEAR: Final = 50
_MAX_SERIAL_BYTES: Final = 40


class Certificate(Struct, frozen=True, kw_only=True):
    """A certificate that was read, and nothing about it judged. Made by parse_certificate only.

    Attributes:
        raw: its DER, padding behind it left out.
        tbs: the bytes that its signature is over, as they came.
        signature_algorithm: object identifier.
        signature: as the algorithm has it.
        serial: as signed integer; a few makers write negative ones.
        issuer: whose name signs.
        subject: whose key it is; empty for most endorsement keys.
        not_before, not_after: with time zone; both included.
        public_key: of `cryptography`; its strength is judged elsewhere.
        extensions: what they say.
    """

    raw: bytes
    tbs: bytes
    signature_algorithm: str
    signature: bytes
    serial: int
    issuer: Name
    subject: Name
    not_before: datetime
    not_after: datetime
    public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    extensions: Extensions

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the DER, 64 lower-case hexadecimal digits."""
        return hashlib.sha256(self.raw).hexdigest()

    @property
    def self_issued(self) -> bool:
        """Whether it names itself as its issuer. Whether it signed itself, that does not say."""
        return self.subject.key == self.issuer.key


def parse_certificate(raw: bytes) -> Certificate:
    """Return the certificate in ``raw``: DER, with nothing behind it but padding of zeros or of 0xff.

    Raises EkCertificateMalformedError for everything else: more than 16 KiB, bytes that are cut off or left over, an
    extension that stands twice, a key that is neither RSA nor on P-256, P-384, P-521.
    """
    if len(raw) > MAX_CERTIFICATE_BYTES:
        raise der.malformed(_WHAT, f"{len(raw)} bytes; at most {MAX_CERTIFICATE_BYTES} are read")
    outer, rest = der.leading(raw, _WHAT)
    if outer.tag != der.SEQUENCE:
        raise der.malformed(_WHAT, "it does not begin as DER does (0x30); send it without header, not as PEM")
    if rest.strip(b"\x00") and rest.strip(b"\xff"):
        raise der.malformed(_WHAT, f"{len(rest)} bytes behind it that are no padding")
    fields = der.Members(outer.content, _WHAT)
    tbs = fields.take(der.SEQUENCE, "tbsCertificate")
    algorithm = fields.take(der.SEQUENCE, "signatureAlgorithm")
    signature = der.octets(fields.take(der.BIT_STRING, "signature"), _WHAT)
    fields.end()
    return _certificate(outer.encoded, tbs, algorithm, signature)


def signature_problem(certificate: Certificate, issuer_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> str | None:
    """Return why the signature is not one of ``issuer_key`` over the certificate, None where it is.

    RSASSA-PKCS1-v1_5 and ECDSA with SHA-256, SHA-384, SHA-512; everything else is a problem.
    """
    kind = certificate.signature_algorithm
    try:
        if kind in _RSA_HASHES and isinstance(issuer_key, rsa.RSAPublicKey):
            issuer_key.verify(certificate.signature, certificate.tbs, padding.PKCS1v15(), _RSA_HASHES[kind])
        elif kind in _ECDSA_HASHES and isinstance(issuer_key, ec.EllipticCurvePublicKey):
            issuer_key.verify(certificate.signature, certificate.tbs, ec.ECDSA(_ECDSA_HASHES[kind]))
        elif kind in _RSA_HASHES or kind in _ECDSA_HASHES:
            return "its signature is of another kind than its issuer's key"
        else:
            return f"it is signed with {_REFUSED.get(kind, f'algorithm {kind}')}, which proves nothing"
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return "its signature does not hold"
    return None


def _certificate(raw: bytes, tbs: der.Element, algorithm: der.Element, signature: bytes) -> Certificate:
    fields = der.Members(tbs.content, _WHAT)
    fields.optional(_VERSION)
    serial = fields.take(der.INTEGER, "serialNumber")
    if len(serial.content) > _MAX_SERIAL_BYTES:
        raise der.malformed(_WHAT, f"a serial number of more than {_MAX_SERIAL_BYTES} bytes")
    if fields.take(der.SEQUENCE, "signature").encoded != algorithm.encoded:
        # Else what is signed would not say how (RFC 5280 §4.1.1.2).
        raise der.malformed(_WHAT, "the algorithm of its signature differs inside and outside of what is signed")
    kind = der.Members(algorithm.content, _WHAT).take(der.OID, "the signature's algorithm")
    issuer = read_name(fields.take(der.SEQUENCE, "issuer"), f"{_WHAT}, issuer")
    validity = der.Members(fields.take(der.SEQUENCE, "validity").content, f"{_WHAT}, validity")
    not_before, not_after = _time(validity.any("notBefore")), _time(validity.any("notAfter"))
    validity.end()
    subject = read_name(fields.take(der.SEQUENCE, "subject"), f"{_WHAT}, subject")
    public_key = read_subject_key(fields.take(der.SEQUENCE, "subjectPublicKeyInfo"))
    for tag in _UNIQUE_IDS:
        fields.optional(tag)
    wrapped = fields.optional(_EXTENSIONS)
    fields.end()
    return Certificate(
        raw=raw,
        tbs=tbs.encoded,
        signature_algorithm=der.oid(kind, _WHAT),
        signature=signature,
        serial=der.integer(serial, _WHAT),
        issuer=issuer,
        subject=subject,
        not_before=not_before,
        not_after=not_after,
        public_key=public_key,
        extensions=Extensions() if wrapped is None else _extensions(wrapped),
    )


def _extensions(wrapped: der.Element) -> Extensions:
    return read_extensions(der.one(wrapped.content, der.SEQUENCE, f"{_WHAT}, extensions"))


def _time(element: der.Element) -> datetime:
    pattern = _TIMES.get(element.tag)
    if pattern is None or not pattern.fullmatch(element.content):
        raise _no_time()
    digits = element.content[:-1].decode("ascii")
    if element.tag == _UTC_TIME:
        digits = ("19" if int(digits[:2]) >= _FIRST_TWO_DIGIT_YEAR else "20") + digits
    month, day, hour, minute, second = (int(digits[start : start + 2]) for start in range(4, 14, 2))
    try:
        return datetime(int(digits[:4]), month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise _no_time() from None


def _no_time() -> EkCertificateMalformedError:
    return der.malformed(f"{_WHAT}, validity", "a date that is none; YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ is read")
