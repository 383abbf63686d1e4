"""Why a TPM is not enrolled, beyond what is wrong with its endorsement key (verifier.endorsement.errors).

EnrolmentError                          (issuer.errors)
├── ActivationError                403  ACTIVATION_REFUSED         the challenge was not answered as it must be
└── TrustBundleError               400  TRUST_BUNDLE_INVALID       a file of certificates that cannot be read
"""

from __future__ import annotations

from issuer.errors import EnrolmentError


class ActivationError(EnrolmentError):
    """The challenge is unknown, over or answered, or the answer is wrong: which of them is told to nobody."""

    name = "ACTIVATION_REFUSED"
    title = "The TPM did not answer its challenge"
    status = 403


class TrustBundleError(EnrolmentError):
    """A file of certificates holds none, or is larger than what is read."""

    name = "TRUST_BUNDLE_INVALID"
    title = "The bundle of certificates cannot be read"
    status = 400
