"""From an endorsement key and its certificate to a root that is trusted: what enrolment believes of a TPM.

Dates are judged once, here, at the time of enrolment, for the endorsement key's certificate and every intermediate;
what was enrolled stays enrolled, since a TPM outlives its papers. A root's dates are not judged: it is trusted because
its fingerprint was chosen (RFC 5280 §6.1.1 (d) asks of a trust anchor its name and key alone), and who no longer trusts
it removes the fingerprint. Revocation lists of makers are not fetched: an answer must not hang on a stranger's server.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from msgspec import Struct

from did import strength
from did.errors import DidError
from verifier.endorsement.certificate import Certificate, parse_certificate, signature_problem
from verifier.endorsement.denied import Denial, find_denial
from verifier.endorsement.ek_public import EndorsementPublic, check_ek_public
from verifier.endorsement.errors import (
    EkCertificateExpiredError,
    EkCertificateMalformedError,
    EkCertificateMismatchError,
    EkChainUntrustedError,
    EkRefusedError,
    TpmDeniedError,
)
from verifier.endorsement.extensions import EK_PURPOSE, KeyUsage
from verifier.endorsement.tpm_names import TpmIdentity, read_tpm_identity
from verifier.endorsement.trust import CertificatePool, RootClass, Trust, TrustedRoot

MAX_SENT: Final = 16
"""How many intermediates a node may send."""

MAX_CHAIN: Final = 8
"""Certificates in a chain, both ends counted. Real ones have three to five."""

_MAX_SIGNATURES: Final = 32
_SHOWN_REASONS: Final = 3
_ENCRYPTION: Final = KeyUsage.KEY_ENCIPHERMENT | KeyUsage.KEY_AGREEMENT
_ANY_PURPOSE: Final = "2.5.29.37.0"


class Endorsement(Struct, frozen=True, kw_only=True):
    """What is known of a TPM whose endorsement key leads to a trusted root.

    Attributes:
        ek: the endorsement key, for make_credential.
        ek_digest: SHA-256 of its public area, multibase: ``hardwareId``.
        manufacturer: the TCG's letters such as ``STM``, ``IFX``, ``GOOG``; of the root where the certificate has none.
        model: as its certificate has it; may be empty.
        firmware: as its certificate has it: the one that it left the factory with; may be empty.
        chain: certificates, from the endorsement key's own to the root.
        root_class: what the root vouches for.
    """

    ek: EndorsementPublic
    ek_digest: str
    manufacturer: str
    model: str
    firmware: str
    chain: tuple[Certificate, ...]
    root_class: RootClass


def check_endorsement(
    ek_public: bytes,
    ek_certificate: bytes,
    *,
    sent: Sequence[bytes] = (),
    known: CertificatePool,
    trust: Trust,
    denied: Sequence[Denial],
    now: datetime,
) -> Endorsement:
    """Return what is known of the TPM whose endorsement key this is.

    ``ek_public`` is a TPMT_PUBLIC, ``ek_certificate`` and ``sent`` (intermediates out of the TPM, at most 16) are DER.
    ``known`` holds certificates that were imported, roots among them; ``now`` has a time zone.

    Raises TpmStructureError (400) and EkCertificateMalformedError (400) for what cannot be read, EkRefusedError (403)
    and its kinds for a key or certificate of another sort, EkChainUntrustedError (403).
    """
    ek = check_ek_public(ek_public)
    certificate = parse_certificate(ek_certificate)
    _check_certificate(certificate, ek, now)
    readable, unread = _read_sent(sent)
    chain, root = find_chain(certificate, known.with_more(readable), trust, now, unread=unread)
    _check_purpose(certificate, chain[1])
    identity = read_tpm_identity(certificate)
    manufacturer = identity.manufacturer or root.manufacturer
    _check_denied(identity, manufacturer, denied)
    return Endorsement(
        ek=ek,
        ek_digest=ek.digest,
        manufacturer=manufacturer,
        model=identity.model,
        firmware=identity.firmware,
        chain=chain,
        root_class=root.root_class,
    )


def find_chain(
    certificate: Certificate, pool: CertificatePool, trust: Trust, now: datetime, *, unread: Sequence[str] = ()
) -> tuple[tuple[Certificate, ...], TrustedRoot]:
    """Return the certificates from this one to a trusted root, both included, and the root.

    Each link holds by name and signature, its issuer is a CA that may sign this far down, for endorsement keys, with
    no critical extension unknown here, and valid at ``now`` unless it is the root. ``unread`` is said in the error.
    Raises EkChainUntrustedError with the reasons of the longest way that was found.
    """
    search = _Search(pool, trust, now)
    chain = search.climb((certificate,))
    if chain is None:
        raise EkChainUntrustedError("; ".join((*search.reasons(), *unread)))
    return chain, trust[chain[-1].fingerprint]


class _Search:
    """Tries every way upwards, depth first, within a budget of signatures."""

    def __init__(self, pool: CertificatePool, trust: Trust, now: datetime) -> None:
        self._pool = pool
        self._trust = trust
        self._now = now
        self._signatures = 0
        self._reasons: list[tuple[int, str]] = []

    def climb(self, path: tuple[Certificate, ...]) -> tuple[Certificate, ...] | None:
        """Return the path continued to a trusted root, None where none of its continuations gets there."""
        child = path[-1]
        candidates = [issuer for issuer in self._pool.issuers_of(child) if issuer not in path]
        if not candidates:
            self._note(path, self._dead_end(child))
        for issuer in candidates:
            trusted = issuer.fingerprint in self._trust
            problem = self._problem(path, issuer, trusted=trusted)
            if problem is not None:
                self._note(path, f"{issuer.subject.text}: {problem}")
                continue
            longer = (*path, issuer)
            if trusted:
                return longer
            if len(longer) == MAX_CHAIN:
                self._note(longer, f"the chain has more than {MAX_CHAIN} certificates")
                continue
            found = self.climb(longer)
            if found is not None:
                return found
        return None

    def reasons(self) -> tuple[str, ...]:
        """Return why the longest ways ended, at most three."""
        longest = max((length for length, _ in self._reasons), default=0)
        return tuple(dict.fromkeys(reason for length, reason in self._reasons if length == longest))[:_SHOWN_REASONS]

    def _note(self, path: tuple[Certificate, ...], reason: str) -> None:
        self._reasons.append((len(path), reason))

    def _dead_end(self, child: Certificate) -> str:
        if child.self_issued:
            return (
                f"{child.subject.text}: it names itself as its issuer, and its fingerprint {child.fingerprint} is not "
                "one that is trusted"
            )
        return (
            f"the certificate of the issuer {child.issuer.text} is not known. The operator can take it in: of a maker "
            "with green-issuer trust tpm import BUNDLE, of an emulator or a private CA with green-issuer trust tpm add "
            "ROOT [CA …] --emulated, the self-signed root first"
        )

    def _problem(self, path: tuple[Certificate, ...], issuer: Certificate, *, trusted: bool) -> str | None:
        extensions = issuer.extensions
        # Those that name themselves do not count (RFC 5280 §4.2.1.9); nor does the end.
        between = sum(not link.self_issued for link in path[1:])
        if not extensions.is_ca:
            return "it is no CA"
        if extensions.path_length is not None and between > extensions.path_length:
            return f"it may have {extensions.path_length} CAs below it, and there are {between}"
        if extensions.key_usage is not None and KeyUsage.KEY_CERT_SIGN not in extensions.key_usage:
            return "its key may not sign certificates"
        if extensions.purposes is not None and not {EK_PURPOSE, _ANY_PURPOSE} & set(extensions.purposes):
            return "it is a CA for other purposes than endorsement keys"
        if extensions.unknown_critical:
            return f"its critical extension {extensions.unknown_critical[0]} is not known here"
        if not trusted and not issuer.not_before <= self._now <= issuer.not_after:
            return f"it is valid from {issuer.not_before:%Y-%m-%d} to {issuer.not_after:%Y-%m-%d} only"
        return self._signature_problem(path[-1], issuer)

    def _signature_problem(self, child: Certificate, issuer: Certificate) -> str | None:
        if self._signatures == _MAX_SIGNATURES:
            # Sixteen CAs that sign each other make half a million ways; no maker has more than a few.
            raise EkChainUntrustedError(
                f"{_MAX_SIGNATURES} signatures were looked at, and none of the ways led to a trusted root; "
                "send only the certificates above the endorsement key's"
            )
        self._signatures += 1
        key = issuer.public_key
        if isinstance(key, rsa.RSAPublicKey):
            numbers = key.public_numbers()
            try:
                strength.check_rsa(numbers.n, numbers.e)
            except DidError as error:
                return error.detail
        problem = signature_problem(child, key)
        return None if problem is None else f"as issuer of {child.subject.text}: {problem}"


def _check_certificate(certificate: Certificate, ek: EndorsementPublic, now: datetime) -> None:
    extensions = certificate.extensions
    if not _same_key(certificate.public_key, ek.vendor):
        raise EkCertificateMismatchError("ek_certificate: it is for another key than ek_public")
    if extensions.is_ca:
        raise EkRefusedError("ek_certificate: it is a CA's; an endorsement key signs nothing")
    if extensions.key_usage is not None and not extensions.key_usage & _ENCRYPTION:
        raise EkRefusedError("ek_certificate: its key usage is not encryption, so it is none of an endorsement key")
    if extensions.key_usage is not None and KeyUsage.KEY_CERT_SIGN in extensions.key_usage:
        raise EkRefusedError("ek_certificate: its key may sign certificates; an endorsement key signs nothing")
    if extensions.unknown_critical:
        raise EkRefusedError(
            f"ek_certificate: its critical extension {extensions.unknown_critical[0]} is not known here"
        )
    if not certificate.not_before <= now <= certificate.not_after:
        raise EkCertificateExpiredError(
            f"ek_certificate: it is valid from {certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}, "
            f"judged as of {now:%Y-%m-%d}; ask the TPM's maker for a new one"
        )


def _check_purpose(certificate: Certificate, issuer: Certificate) -> None:
    """Return if the certificate is one for an endorsement key.

    Google Cloud's newer certificates for virtual TPMs say so in their issuer alone: a CA that is limited to endorsement
    keys certifies nothing else (its certificates for attestation keys are told apart by their key usage).
    """
    purposes = certificate.extensions.purposes
    if EK_PURPOSE in (purposes or ()) or (purposes is None and issuer.extensions.purposes == (EK_PURPOSE,)):
        return
    raise EkRefusedError(
        f"ek_certificate: its extended key usage is not {EK_PURPOSE} (an endorsement key's)"
        + (", and its issuer is not limited to such either" if purposes is None else "")
    )


def _check_denied(identity: TpmIdentity, manufacturer: str, denied: Sequence[Denial]) -> None:
    # Of the firmware, the certificate knows only the first; check_firmware judges the one that runs.
    whole = find_denial(denied, manufacturer=manufacturer, model=identity.model, firmware=None)
    if whole is not None:
        raise TpmDeniedError(f"the TPM ({manufacturer} {identity.model}) is not accepted: {whole.reason}")


def _same_key(
    certified: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, own: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
) -> bool:
    return type(certified) is type(own) and certified.public_numbers() == own.public_numbers()


def _read_sent(sent: Sequence[bytes]) -> tuple[list[Certificate], list[str]]:
    """Return the certificates that can be read, and why others cannot.

    They lie in the TPM since it was made, so one that is odd is not the node's fault: it only cannot help.
    """
    if len(sent) > MAX_SENT:
        raise EkCertificateMalformedError(f"intermediates: {len(sent)} of them; at most {MAX_SENT} are read")
    readable: list[Certificate] = []
    unread: list[str] = []
    for position, raw in enumerate(sent):
        try:
            readable.append(parse_certificate(raw))
        except EkCertificateMalformedError as error:
            unread.append(f"intermediates[{position}] cannot be read ({error.detail})")
    return readable, unread
