"""How a bundle of makers' certificates is taken in: roots whose fingerprint is trusted, and what leads to them.

The certificates may come from anywhere (a maker's site, a bundle, a TPM): their fingerprint decides.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from issuer.tpm.errors import TrustBundleError
from verifier.endorsement.certificate import Certificate, parse_certificate
from verifier.endorsement.errors import EkCertificateMalformedError
from verifier.endorsement.trust import RootClass, Trust, TrustedRoot

MAX_BUNDLE_BYTES: Final = 8 * 1024 * 1024
"""Twenty times the largest bundle that is published."""

MAX_BUNDLE_CERTIFICATES: Final = 4096

_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----")
_PEM_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"


class RefusedCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate of a bundle that was not taken. ``position`` counts from 1; the rest is empty if it was unreadable."""

    position: int
    subject: str = ""
    fingerprint: str = ""
    reason: str


class SortedBundle(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle's certificates, each once: trusted roots, CAs that chains are built from, and what was not taken."""

    roots: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...]
    refused: tuple[RefusedCertificate, ...]


def explicit_root(certificate: Certificate, root_class: RootClass, manufacturer: str = "") -> TrustedRoot:
    """Return a root that an operator adds. It need not be self-signed: its fingerprint is the trust.

    Raises TrustBundleError where it is no CA, since no chain could end there.
    """
    if not certificate.extensions.is_ca:
        raise TrustBundleError(f"{certificate.subject.text}: it is no CA, so no endorsement key leads to it")
    return TrustedRoot(fingerprint=certificate.fingerprint, root_class=root_class, manufacturer=manufacturer)


def sort_bundle(content: bytes, trust: Trust) -> SortedBundle:
    """Return what is in a bundle: PEM with any text between, or one DER certificate.

    Roots are taken only if ``trust`` has their fingerprint, and every other CA as intermediate, which nobody trusts for
    that. Raises TrustBundleError without a single certificate, above 8 MiB or 4096 certificates.
    """
    roots: dict[str, Certificate] = {}
    intermediates: dict[str, Certificate] = {}
    refused: list[RefusedCertificate] = []
    for position, raw in enumerate(_certificates(content), start=1):
        try:
            certificate = parse_certificate(raw)
        except EkCertificateMalformedError as error:
            refused.append(RefusedCertificate(position=position, reason=error.detail))
            continue
        fingerprint = certificate.fingerprint
        reason = _why_not(certificate, trust)
        if reason is not None:
            subject = certificate.subject.text
            refused.append(
                RefusedCertificate(position=position, subject=subject, fingerprint=fingerprint, reason=reason)
            )
        elif fingerprint in trust:
            roots[fingerprint] = certificate
        else:
            intermediates[fingerprint] = certificate
    return SortedBundle(
        roots=tuple(roots.values()), intermediates=tuple(intermediates.values()), refused=tuple(refused)
    )


def _why_not(certificate: Certificate, trust: Trust) -> str | None:
    if not certificate.extensions.is_ca:
        return "it is no CA"
    if certificate.self_issued and certificate.fingerprint not in trust:
        return "a root whose fingerprint is not trusted; add it by itself if it is to be"
    return None


def _certificates(content: bytes) -> Iterator[bytes]:
    if len(content) > MAX_BUNDLE_BYTES:
        raise TrustBundleError(f"the bundle has {len(content)} bytes; at most {MAX_BUNDLE_BYTES} are read")
    if _PEM_BEGIN not in content:
        if not content:
            raise TrustBundleError("the bundle is empty")
        yield content
        return
    found = _PEM.findall(content)
    if len(found) != content.count(_PEM_BEGIN):
        raise TrustBundleError("the bundle has a PEM block that is not whole: it was cut, or is not base64")
    if len(found) > MAX_BUNDLE_CERTIFICATES:
        raise TrustBundleError(f"the bundle has {len(found)} certificates; at most {MAX_BUNDLE_CERTIFICATES} are read")
    for block in found:
        try:
            yield base64.b64decode(b"".join(block.split()), validate=True)
        except binascii.Error:
            # The reader names it, with its position.
            yield b""
