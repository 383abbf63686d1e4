"""The certificates above a TPM's endorsement key, checked again as the issuer says that it did at enrolment. Pure.

The enrolment record names each of them by its digest, from the key's own to the root. Whether they hold together, for
this key and on that day, is arithmetic. Whether the last of them is a maker's is known for the roots that are shipped,
and for those that the policy names: of any other, this verifier does not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from schemas import times
from schemas.errors import GreenError
from verifier.endorsement.certificate import Certificate, parse_certificate
from verifier.endorsement.denied import check_firmware, kind_of, shipped_denials
from verifier.endorsement.ek_chain import check_endorsement
from verifier.endorsement.errors import EkCertificatesMissingError, EkChainUntrustedError
from verifier.endorsement.roots import trust_of
from verifier.endorsement.trust import CertificatePool, RootClass, TrustedRoot
from verifier.enrolment import Enrolment
from verifier.errors import EvidenceMismatchError
from verifier.notices import Notice
from verifier.report import Finding, Result, failed, passed, warning

_MAX_SHOWN: Final = 4
_CLASSES: Mapping[str, RootClass] = {
    "tpm-hardware": "hardware",
    "tpm-virtual": "virtual",
    "tpm-emulated": "emulated",
}


def check_chain(enrolment: Enrolment, certificates: Mapping[str, bytes], roots: Mapping[str, RootClass]) -> Finding:
    """Return what the certificates that a record names are worth, all of them at hand.

    ``certificates`` are DER by their digests; ``roots`` what the auditor trusts besides the shipped roots: for which
    class, by the SHA-256 of the certificate in hexadecimal. A chain that does not hold, or to a root of another class
    than the record's, fails; one to a root that is not known is inconclusive, or a warning where the record itself says
    that the TPM is emulated.
    """
    record = enrolment.record
    try:
        chain = tuple(parse_certificate(certificates[digest]) for digest in record.ek_certificates)
        _check(enrolment, chain)
    except GreenError as error:
        return Finding(Result.FAILED, f"endorsement key: {error.detail}", error.name)
    top = chain[-1]
    named = f"{top.subject.text} ({top.fingerprint})"
    known = _trust(roots).get(top.fingerprint)
    if known is not None and known.root_class != _CLASSES[record.enrolment_class]:
        told = (
            f"it was enrolled as {record.enrolment_class}, and its root, {named}, vouches for {known.root_class} TPMs"
        )
        return failed(EvidenceMismatchError(f"endorsement key: {told}"))
    if known is not None:
        return passed(f"the TPM's endorsement key leads to {named}")
    told = f"endorsement key: its certificates hold, and lead to {named}, a root that is not known here"
    if record.enrolment_class == "tpm-emulated":
        return warning(Notice.EVIDENCE_NOT_CHECKED, f"{told}; an emulator's keys are files")
    return Finding(
        Result.INCONCLUSIVE, f"{told}; who trusts it names it under tpm_roots in the policy", EkChainUntrustedError.name
    )


def without_certificates(enrolment: Enrolment, missing: Sequence[str]) -> Finding:
    """Return what an endorsement key is worth of whose chain the certificates ``missing`` are not there, by digest.

    Without any that the record names, the chain is missing as a whole. It is inconclusive, as an unknown root is: else
    whoever has no certificate, or a bad one, would leave it out. Of a TPM that the record itself calls emulated, a warning.
    """
    if missing:
        shown = f"{', '.join(missing[:_MAX_SHOWN])}{' and more' if len(missing) > _MAX_SHOWN else ''}"
        told = (
            f"endorsement key: its certificates are missing from the bundle ({shown}); make it with --from-issuer. "
            "The issuer's word alone is left"
        )
    else:
        told = (
            "endorsement key: the enrolment record names no certificate of it, so that the issuer's word alone is left; "
            "the node has to enroll again"
        )
    if enrolment.record.enrolment_class == "tpm-emulated":
        return warning(Notice.EVIDENCE_NOT_CHECKED, told)
    return Finding(Result.INCONCLUSIVE, told, EkCertificatesMissingError.name)


def _check(enrolment: Enrolment, chain: tuple[Certificate, ...]) -> None:
    """Return if the chain holds for this key, on the day of its enrolment. Raises GreenError."""
    record, top = enrolment.record, chain[-1]
    # Whether the last one may end a chain is judged apart: here only that the others lead there.
    end = TrustedRoot(fingerprint=top.fingerprint, root_class=_CLASSES[record.enrolment_class])
    found = check_endorsement(
        record.ek_bytes,
        chain[0].raw,
        sent=[link.raw for link in chain[1:]],
        known=CertificatePool(),
        trust={end.fingerprint: end},
        denied=shipped_denials(),
        now=times.from_microseconds(record.enrolled_us),
    )
    if [link.raw for link in found.chain] != [link.raw for link in chain]:
        raise EvidenceMismatchError("the record names certificates that are not on the way from the key's to the root")
    if found.manufacturer not in ("", record.manufacturer):
        raise EvidenceMismatchError(f"the record says {record.manufacturer}, its certificate {found.manufacturer}")
    check_firmware(
        shipped_denials(),
        manufacturer=record.manufacturer,
        model=found.model,
        firmware_version=enrolment.opening.quote.firmware_version,
        key=kind_of(enrolment.key.vendor),
    )


def _trust(roots: Mapping[str, RootClass]) -> Mapping[str, TrustedRoot]:
    return trust_of(TrustedRoot(fingerprint=name.lower(), root_class=kind) for name, kind in roots.items())
