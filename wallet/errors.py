"""What can go wrong in a wallet.

WalletError
├── WalletMissingError       no wallet has been made in this folder yet
├── WalletExistsError        a wallet is there already; its key is never overwritten
├── NotACredentialError      the document is not a signed credential
├── RefusedCredentialError   the verifier refused it; nothing was kept
└── UnknownCredentialError   no held credential answers to that name

What is wrong with a document itself is said by schemas.errors and verifier.errors.
"""

from __future__ import annotations

from schemas.errors import GreenError


class WalletError(GreenError):
    """Root of the wallet's errors."""

    name = "WALLET_ERROR"
    title = "The wallet cannot do this"


class WalletMissingError(WalletError):
    """No wallet has been made in this folder yet."""

    name = "WALLET_MISSING"
    title = "There is no wallet here"


class WalletExistsError(WalletError):
    """A wallet is there already; its key is never overwritten."""

    name = "WALLET_EXISTS"
    title = "A wallet is here already"


class NotACredentialError(WalletError):
    """The document is not a signed credential."""

    name = "TYPE_MISMATCH"
    title = "Not a signed credential"


class RefusedCredentialError(WalletError):
    """The verifier refused the credential, so it was not kept."""

    name = "REFUSED_CREDENTIAL"
    title = "The credential was refused"


class UnknownCredentialError(WalletError):
    """No held credential answers to that name, or more than one does."""

    name = "UNKNOWN_CREDENTIAL"
    title = "No such credential in this wallet"
