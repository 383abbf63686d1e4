"""What is wrong with an audit bundle, before anything in it is judged, and why none can be made.

VerificationError
├── BundleError             BUNDLE_INVALID  it is no audit bundle
│   └── BundleDamagedError  BUNDLE_DAMAGED  a file of it is missing, or is another
└── IssuerRefusedError      ISSUER_REFUSED  the issuer does not hand out a node's windows
    └── IssuerBusyError     ISSUER_BUSY     it wants to be asked again later
"""

from __future__ import annotations

from verifier.errors import VerificationError


class BundleError(VerificationError):
    """The file is no audit bundle, or too damaged to be read as one."""

    name = "BUNDLE_INVALID"
    title = "The file is no audit bundle"


class BundleDamagedError(BundleError):
    """A file that the bundle lists is missing, or its bytes are other ones."""

    name = "BUNDLE_DAMAGED"
    title = "A file of the bundle is missing or damaged"


class IssuerRefusedError(VerificationError):
    """The issuer answers a request for a node's windows with another status than 200."""

    name = "ISSUER_REFUSED"
    title = "The issuer does not hand out the windows"


class IssuerBusyError(IssuerRefusedError):
    """The issuer is to be asked again in ``retry_after_s`` seconds: a rate limit, too much work, a fault."""

    name = "ISSUER_BUSY"
    title = "The issuer is busy"
    status = 503

    def __init__(self, detail: str, *, retry_after_s: float) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
