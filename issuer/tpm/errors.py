"""Why a TPM is not enrolled.

    EnrolmentError                          (issuer.errors)
    ├── TpmEnrolmentError              403  TPM_ENROLMENT_REFUSED      root of this package
    │   ├── EkCertificateMalformedError 400  EK_CERTIFICATE_MALFORMED   not one certificate that can be read
    │   ├── EkChainUntrustedError      403  EK_CHAIN_UNTRUSTED         it leads to no root that is trusted
    │   ├── EkRefusedError             403  EK_REFUSED                 the key or its certificate is of another kind
    │   │   ├── EkCertificateMismatchError 403  EK_CERTIFICATE_MISMATCH  the certificate is for another key
    │   │   ├── EkCertificateExpiredError  403  EK_CERTIFICATE_EXPIRED   not valid now
    │   │   ├── EkKeyWeakError             403  EK_KEY_WEAK              too short, or its factors can be found
    │   │   └── TpmDeniedError             403  TPM_DENIED               a model or firmware known to leak keys
    │   └── ActivationError        403  ACTIVATION_REFUSED         the challenge was not answered as it must be
    └── TrustBundleError               400  TRUST_BUNDLE_INVALID       a file of certificates that cannot be read

A TPM's own structures that cannot be read are schemas.tpm.errors' (400).
"""

from __future__ import annotations

from issuer.errors import EnrolmentError


class TpmEnrolmentError(EnrolmentError):
    """Root of the errors of this package that a node can meet."""

    name = "TPM_ENROLMENT_REFUSED"
    title = "The TPM cannot be enrolled"
    status = 403


class EkCertificateMalformedError(TpmEnrolmentError):
    """The bytes are not exactly one X.509 certificate with a key that is read here, padding aside."""

    name = "EK_CERTIFICATE_MALFORMED"
    title = "The certificate cannot be read"
    status = 400


class EkChainUntrustedError(TpmEnrolmentError):
    """No chain of valid certificates leads from the endorsement key's to a root that is trusted."""

    name = "EK_CHAIN_UNTRUSTED"
    title = "The TPM's maker is not one that is trusted"


class EkRefusedError(TpmEnrolmentError):
    """The endorsement key, or its certificate, is not of the kind that the TCG's profile describes."""

    name = "EK_REFUSED"
    title = "The endorsement key is not accepted"


class EkCertificateMismatchError(EkRefusedError):
    """The certificate is for another key than the one that was sent."""

    name = "EK_CERTIFICATE_MISMATCH"
    title = "The certificate is not the endorsement key's"


class EkCertificateExpiredError(EkRefusedError):
    """The endorsement key's certificate is not valid at this time."""

    name = "EK_CERTIFICATE_EXPIRED"
    title = "The endorsement key's certificate is not valid now"


class EkKeyWeakError(EkRefusedError):
    """The endorsement key can be computed by others: whoever does so can answer every challenge to it."""

    name = "EK_KEY_WEAK"
    title = "The endorsement key is weak"


class TpmDeniedError(EkRefusedError):
    """The TPM's model, or the firmware that it runs, is known to give its keys away."""

    name = "TPM_DENIED"
    title = "The TPM is of a kind that is not accepted"


class ActivationError(TpmEnrolmentError):
    """The challenge is unknown, over or answered, or the answer is wrong: which of them is told to nobody."""

    name = "ACTIVATION_REFUSED"
    title = "The TPM did not answer its challenge"


class TrustBundleError(EnrolmentError):
    """A file of certificates holds none, or is larger than what is read."""

    name = "TRUST_BUNDLE_INVALID"
    title = "The bundle of certificates cannot be read"
    status = 400
