"""Why an endorsement key is not believed to be a TPM's, with the HTTP status that answers it.

    EndorsementError               403  ENDORSEMENT_REFUSED        root of this package
    ├── EkCertificateMalformedError 400  EK_CERTIFICATE_MALFORMED   not one certificate that can be read
    ├── EkChainUntrustedError      403  EK_CHAIN_UNTRUSTED         it leads to no root that is trusted
    ├── EkCertificatesMissingError 403  EK_CERTIFICATES_MISSING    they are not there to be checked
    └── EkRefusedError             403  EK_REFUSED                 the key or its certificate is of another kind
        ├── EkCertificateMismatchError 403  EK_CERTIFICATE_MISMATCH  the certificate is for another key
        ├── EkCertificateExpiredError  403  EK_CERTIFICATE_EXPIRED   not valid at that time
        ├── EkKeyWeakError             403  EK_KEY_WEAK              too short, or its factors can be found
        └── TpmDeniedError             403  TPM_DENIED               a model or firmware known to leak keys

A TPM's own structures that cannot be read are schemas.tpm.errors' (400).
"""

from __future__ import annotations

from verifier.errors import VerificationError


class EndorsementError(VerificationError):
    """Root of what is wrong with an endorsement key, its certificate or the chain above it."""

    name = "ENDORSEMENT_REFUSED"
    title = "The TPM's endorsement is not believed"
    status = 403


class EkCertificateMalformedError(EndorsementError):
    """The bytes are not exactly one X.509 certificate with a key that is read here, padding aside."""

    name = "EK_CERTIFICATE_MALFORMED"
    title = "The certificate cannot be read"
    status = 400


class EkChainUntrustedError(EndorsementError):
    """No chain of valid certificates leads from the endorsement key's to a root that is trusted."""

    name = "EK_CHAIN_UNTRUSTED"
    title = "The TPM's maker is not one that is trusted"


class EkCertificatesMissingError(EndorsementError):
    """Certificates of an endorsement key's chain are not at hand, or no record names any: nothing was checked."""

    name = "EK_CERTIFICATES_MISSING"
    title = "The endorsement key's certificates are missing"


class EkRefusedError(EndorsementError):
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
