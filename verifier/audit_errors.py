"""What is wrong with an audit bundle, before anything in it is judged.

VerificationError
└── BundleError             BUNDLE_INVALID  it is no audit bundle
    └── BundleDamagedError  BUNDLE_DAMAGED  a file of it is missing, or is another
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
