"""Why a window is not believed: one class for each thing that can be wrong, with the HTTP status that answers it.

    AttestationError
    ├── AttestationKeyError        401  ATTESTATION_KEY_REFUSED     not a restricted signing key that never leaves its TPM
    ├── QuoteError                 401
    │   ├── NotAQuoteError         401  NOT_A_QUOTE                 magic or type is another
    │   ├── QuoteAlgorithmError    401  QUOTE_ALGORITHM_REFUSED     scheme or hash is not the key's
    │   ├── QuoteSignatureError    401  QUOTE_SIGNATURE_INVALID     not signed by this key
    │   ├── QualifyingDataError    401  QUALIFYING_DATA_MISMATCH    extraData is that of something else
    │   ├── PcrSelectionError      401  PCR_SELECTION_REFUSED       not exactly the registers of a window
    │   └── PcrDigestError         401  PCR_DIGEST_MISMATCH         the values are not those that were quoted
    ├── WindowSignerError          401  WINDOW_SIGNER_MISMATCH      the header names another key
    ├── SoftwareSignatureError     401  WINDOW_SIGNATURE_INVALID    the software key's JWS does not hold
    ├── NonceError                 401  NONCE_REFUSED               the nonce is foreign, used or expired
    ├── RecordsMismatchError       400  WINDOW_RECORDS_MISMATCH     the records are not those of the header
    ├── WindowEnergyError          400  CLAIM_IMPLAUSIBLE           more energy than the hardware can draw
    └── ChainError                 409
        ├── ChainIdentityError     409  CHAIN_OF_ANOTHER_NODE       the chain is another node's or key's
        ├── SequenceGapError       409  WINDOW_SEQUENCE_GAP         windows in between are missing
        ├── SequenceReusedError    409  WINDOW_SEQUENCE_REUSED      the number was used before
        ├── ForkError              409  WINDOW_FORK                 another window stands at this place
        ├── EpochError             409  BOOT_EPOCH_UNDECLARED       the TPM was reset, and no opening quote said so
        ├── RollbackError          409  CLOCK_ROLLBACK              counters or clock went back
        ├── ClockDriftError        409  CLOCK_DRIFT                 the TPM's clock and wall time disagree
        ├── WindowOverlapError     409  WINDOW_OVERLAP              it begins before the window before ended
        └── FutureWindowError      409  CLOCK_SKEW                  it ends in the future

TPM structures that cannot be read are schemas.tpm.errors', JSON that cannot is schemas.errors' (400, 413).
"""

from __future__ import annotations

from verifier.errors import ClaimImplausibleError, VerificationError


class AttestationError(VerificationError):
    """Root of what is wrong with the evidence of a window."""

    name = "ATTESTATION_INVALID"
    title = "The window's evidence does not hold"
    status = 401


class AttestationKeyError(AttestationError):
    """The key is not one that signs, inside one TPM for ever, only what that TPM attests itself."""

    name = "ATTESTATION_KEY_REFUSED"
    title = "The key is not an attestation key"


class QuoteError(AttestationError):
    """Root of what is wrong with a quote."""

    name = "QUOTE_INVALID"
    title = "The quote does not hold"


class NotAQuoteError(QuoteError):
    """What was signed is not what a TPM attests of its registers."""

    name = "NOT_A_QUOTE"
    title = "The attestation is not a quote"


class QuoteAlgorithmError(QuoteError):
    """The signature's scheme or hash is not the one that the key is bound to."""

    name = "QUOTE_ALGORITHM_REFUSED"
    title = "The quote's signature algorithm is not the key's"


class QuoteSignatureError(QuoteError):
    """The signature is not the attestation key's over these bytes."""

    name = "QUOTE_SIGNATURE_INVALID"
    title = "The quote is not signed by the attestation key"


class QualifyingDataError(QuoteError):
    """extraData is not the digest of this window and nonce."""

    name = "QUALIFYING_DATA_MISMATCH"
    title = "The quote was made for something else"


class PcrSelectionError(QuoteError):
    """The quote is not over exactly the registers that a window needs."""

    name = "PCR_SELECTION_REFUSED"
    title = "The quote is over other registers"


class PcrDigestError(QuoteError):
    """The values at hand are not those whose digest was quoted."""

    name = "PCR_DIGEST_MISMATCH"
    title = "The registers' values are not those that were quoted"


class WindowSignerError(AttestationError):
    """The header names another key than the one that signed it, or another kind of key."""

    name = "WINDOW_SIGNER_MISMATCH"
    title = "The window was not signed by the key that it names"


class SoftwareSignatureError(AttestationError):
    """The JWS of a software key does not hold, or is another kind of token."""

    name = "WINDOW_SIGNATURE_INVALID"
    title = "The window's signature does not hold"


class NonceError(AttestationError):
    """The nonce was not handed out to this node, has expired, or was used before."""

    name = "NONCE_REFUSED"
    title = "The nonce is not accepted"


class RecordsMismatchError(AttestationError):
    """The records are not those that the signed header counts, sums and hashes."""

    name = "WINDOW_RECORDS_MISMATCH"
    title = "The records are not those of the window"
    status = 400


class WindowEnergyError(AttestationError, ClaimImplausibleError):
    """The window claims more energy than its accelerators can draw."""

    name = "CLAIM_IMPLAUSIBLE"
    title = "The window's energy is not plausible"
    status = 400


class ChainError(AttestationError):
    """Root of what does not fit the windows that went before."""

    name = "WINDOW_CHAIN_BROKEN"
    title = "The window does not follow from those before"
    status = 409


class ChainIdentityError(ChainError):
    """The chain belongs to another node or another key."""

    name = "CHAIN_OF_ANOTHER_NODE"
    title = "The window belongs to another chain"


class SequenceGapError(ChainError):
    """Windows between the last one and this one are missing."""

    name = "WINDOW_SEQUENCE_GAP"
    title = "Windows are missing before this one"


class SequenceReusedError(ChainError):
    """The sequence number stands for a window that was taken before."""

    name = "WINDOW_SEQUENCE_REUSED"
    title = "The window's number was used before"


class ForkError(ChainError):
    """At this place of the chain, another window was signed."""

    name = "WINDOW_FORK"
    title = "The chain of windows forks"


class EpochError(ChainError):
    """The epoch is another than the one that an opening quote declared."""

    name = "BOOT_EPOCH_UNDECLARED"
    title = "The boot epoch was not declared"


class RollbackError(ChainError):
    """The TPM's clock or its counters went back."""

    name = "CLOCK_ROLLBACK"
    title = "The clock or a boot counter went back"


class ClockDriftError(ChainError):
    """By the TPM's clock another time went by than by the wall clock."""

    name = "CLOCK_DRIFT"
    title = "The TPM's clock and the wall clock disagree"


class WindowOverlapError(ChainError):
    """The window begins before the one before it ended: the same energy would count twice."""

    name = "WINDOW_OVERLAP"
    title = "The window overlaps the one before"


class FutureWindowError(ChainError):
    """The window ends in the future."""

    name = "CLOCK_SKEW"
    title = "The window lies in the future"
