"""Where a chain may end: roots by the fingerprint of their certificate, and the certificates that lead there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct

from verifier.endorsement.certificate import Certificate

RootClass = Literal["hardware", "virtual", "emulated"]
"""What a root vouches for: a chip or a processor's own TPM; a cloud's for its virtual machines; an emulator's."""

ROOT_CLASSES: Final[tuple[RootClass, ...]] = ("hardware", "virtual", "emulated")


class TrustedRoot(Struct, frozen=True, kw_only=True):
    """A root that is trusted. ``fingerprint`` is SHA-256 of its DER (lower-case hexadecimal): that is the trust."""

    fingerprint: str
    root_class: RootClass
    manufacturer: str = ""


Trust = Mapping[str, TrustedRoot]
"""Trusted roots by their fingerprint."""


class CertificatePool:
    """Certificates that chains are built from. That one lies here says nothing about it."""

    __slots__ = ("_by_subject",)

    def __init__(self, certificates: Iterable[Certificate] = ()) -> None:
        """Take certificates, each once."""
        by_subject: dict[object, dict[bytes, Certificate]] = {}
        for certificate in certificates:
            by_subject.setdefault(certificate.subject.key, {})[certificate.raw] = certificate
        self._by_subject = by_subject

    def with_more(self, certificates: Iterable[Certificate]) -> CertificatePool:
        """Return a pool that has these too; this one stays as it is."""
        pool = CertificatePool(certificates)
        for subject, known in self._by_subject.items():
            pool._by_subject[subject] = pool._by_subject.get(subject, {}) | known
        return pool

    def issuers_of(self, certificate: Certificate) -> tuple[Certificate, ...]:
        """Return those of the name of its issuer, the one of its authority key identifier first."""
        named = self._by_subject.get(certificate.issuer.key, {}).values()
        hint = certificate.extensions.authority_key_id
        return tuple(sorted(named, key=lambda issuer: hint is None or issuer.extensions.subject_key_id != hint))
