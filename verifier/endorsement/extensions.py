"""The extensions of a certificate that enrolment judges by (RFC 5280 §4.2; TCG EK Credential Profile 2.5, 3.2)."""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from msgspec import Struct

from verifier.endorsement import der
from verifier.endorsement.names import Name, read_name

EK_PURPOSE: Final = "2.23.133.8.1"
"""tcg-kp-EKCertificate: the extended key usage of endorsement keys, and of CAs for them."""

_KNOWN: Final = {
    "2.5.29.9": "subjectDirectoryAttributes",
    "2.5.29.14": "subjectKeyIdentifier",
    "2.5.29.15": "keyUsage",
    "2.5.29.17": "subjectAltName",
    "2.5.29.19": "basicConstraints",
    "2.5.29.31": "cRLDistributionPoints",
    "2.5.29.32": "certificatePolicies",
    "2.5.29.35": "authorityKeyIdentifier",
    "2.5.29.37": "extKeyUsage",
    "1.3.6.1.5.5.7.1.1": "authorityInfoAccess",
}
_DIRECTORY_NAME: Final = 0xA4
_URI: Final = 0x86
_KEY_IDENTIFIER: Final = 0x80
_CA_ISSUERS: Final = "1.3.6.1.5.5.7.48.2"
_MAX_URL_BYTES: Final = 512
_MAX_PATH_LENGTH: Final = 255


class KeyUsage(IntFlag):
    """What a key may be used for: the bits that enrolment asks about (RFC 5280 §4.2.1.3)."""

    DIGITAL_SIGNATURE = 0x80
    KEY_ENCIPHERMENT = 0x20
    KEY_AGREEMENT = 0x08
    KEY_CERT_SIGN = 0x04


class Extensions(Struct, frozen=True, kw_only=True):
    """What the extensions say.

    Attributes:
        is_ca: whether it may issue certificates; False also where basicConstraints is missing.
        path_length: how many CAs may stand between it and the endorsement key's certificate; None for any number.
        key_usage: None where it does not say.
        purposes: object identifiers of the extended key usage; None where there is none.
        directory_name: the attributes of all directory names in subjectAltName: a TPM's maker, model, firmware.
        authority_key_id: which key of its issuer signed it; a hint, never believed.
        subject_key_id: how its own key is called there.
        issuer_urls: where its issuer's certificate is said to be. For a person; nothing here ever fetches them.
        unknown_critical: object identifiers of critical extensions that are not read here.
    """

    is_ca: bool = False
    path_length: int | None = None
    key_usage: KeyUsage | None = None
    purposes: tuple[str, ...] | None = None
    directory_name: Name = Name(())
    authority_key_id: bytes | None = None
    subject_key_id: bytes | None = None
    issuer_urls: tuple[str, ...] = ()
    unknown_critical: tuple[str, ...] = ()


def read_extensions(element: der.Element) -> Extensions:
    """Return what a SEQUENCE OF Extension says.

    Raises EkCertificateMalformedError, also for an extension that stands twice: two readers would each believe another.
    """
    what = "certificate, extensions"
    values: dict[str, bytes] = {}
    unknown_critical: list[str] = []
    for extension in der.members(element.content, what):
        if extension.tag != der.SEQUENCE:
            raise der.malformed(what, f"tag 0x{extension.tag:02x} where an extension is expected")
        fields = der.Members(extension.content, what)
        kind = der.oid(fields.take(der.OID, "the extension's type"), what)
        flag = fields.optional(der.BOOLEAN)
        # DER leaves FALSE out, some makers write it.
        critical = flag is not None and der.boolean(flag, what)
        value = fields.take(der.OCTET_STRING, "the extension's value").content
        fields.end()
        if kind in values:
            raise der.malformed(what, f"{_KNOWN.get(kind, kind)} stands there twice")
        values[kind] = value
        if critical and kind not in _KNOWN:
            unknown_critical.append(kind)
    return _interpret(values, tuple(unknown_critical))


def _interpret(values: dict[str, bytes], unknown_critical: tuple[str, ...]) -> Extensions:
    named = {_KNOWN[kind]: value for kind, value in values.items() if kind in _KNOWN}
    is_ca, path_length = _basic_constraints(named.get("basicConstraints"))
    return Extensions(
        is_ca=is_ca,
        path_length=path_length,
        key_usage=_key_usage(named.get("keyUsage")),
        purposes=_purposes(named.get("extKeyUsage")),
        directory_name=_directory_name(named.get("subjectAltName")),
        authority_key_id=_authority_key_id(named.get("authorityKeyIdentifier")),
        subject_key_id=_subject_key_id(named.get("subjectKeyIdentifier")),
        issuer_urls=_issuer_urls(named.get("authorityInfoAccess")),
        unknown_critical=unknown_critical,
    )


def _basic_constraints(value: bytes | None) -> tuple[bool, int | None]:
    if value is None:
        return False, None
    what = "certificate, basicConstraints"
    fields = der.Members(der.one(value, der.SEQUENCE, what).content, what)
    flag, limit = fields.optional(der.BOOLEAN), fields.optional(der.INTEGER)
    fields.end()
    path_length = None if limit is None else der.integer(limit, what)
    if path_length is not None and not 0 <= path_length <= _MAX_PATH_LENGTH:
        raise der.malformed(what, f"a path length that is not 0 to {_MAX_PATH_LENGTH}")
    return flag is not None and der.boolean(flag, what), path_length


def _key_usage(value: bytes | None) -> KeyUsage | None:
    if value is None:
        return None
    what = "certificate, keyUsage"
    bits = der.bit_string(der.one(value, der.BIT_STRING, what), what)
    return KeyUsage(bits[0] & int(KeyUsage(sum(KeyUsage)))) if bits else KeyUsage(0)


def _purposes(value: bytes | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    what = "certificate, extKeyUsage"
    elements = der.members(der.one(value, der.SEQUENCE, what).content, what)
    if not elements:
        # SIZE (1..MAX); whoever took none for "any" would let every key pass.
        raise der.malformed(what, "it is there, and empty")
    for element in elements:
        if element.tag != der.OID:
            raise der.malformed(what, f"tag 0x{element.tag:02x} where an object identifier is expected")
    return tuple(der.oid(element, what) for element in elements)


def _directory_name(value: bytes | None) -> Name:
    if value is None:
        return Name(())
    what = "certificate, subjectAltName"
    names = [
        read_name(der.one(general.content, der.SEQUENCE, what), what)
        for general in der.members(der.one(value, der.SEQUENCE, what).content, what)
        if general.tag == _DIRECTORY_NAME
    ]
    return Name(tuple(part for name in names for part in name.parts))


def _authority_key_id(value: bytes | None) -> bytes | None:
    if value is None:
        return None
    what = "certificate, authorityKeyIdentifier"
    key_id = der.Members(der.one(value, der.SEQUENCE, what).content, what).optional(_KEY_IDENTIFIER)
    return None if key_id is None else key_id.content


def _subject_key_id(value: bytes | None) -> bytes | None:
    return None if value is None else der.one(value, der.OCTET_STRING, "certificate, subjectKeyIdentifier").content


def _issuer_urls(value: bytes | None) -> tuple[str, ...]:
    if value is None:
        return ()
    what = "certificate, authorityInfoAccess"
    urls: list[str] = []
    for description in der.members(der.one(value, der.SEQUENCE, what).content, what):
        fields = der.Members(description.content, what)
        method, place = der.oid(fields.take(der.OID, "accessMethod"), what), fields.any("accessLocation")
        if method == _CA_ISSUERS and place.tag == _URI and len(place.content) <= _MAX_URL_BYTES:
            urls.append("".join(chr(byte) if 0x20 < byte < 0x7F else "\ufffd" for byte in place.content))  # noqa: PLR2004 - visible ASCII
    return tuple(urls)
