"""What can be wrong with the bytes of a TPM 2.0 structure.

FormatError
└── TpmStructureError       TPM_STRUCTURE_INVALID   cut off, too long, a length or count that lies, a value out of range
    └── ForeignAttestError  TPM_ATTEST_FOREIGN      not begun as a TPM begins a quote
"""

from __future__ import annotations

from schemas.errors import FormatError


class TpmStructureError(FormatError):
    """The bytes are not exactly one TPM structure of the kind expected."""

    name = "TPM_STRUCTURE_INVALID"
    title = "The TPM structure is malformed"


class ForeignAttestError(TpmStructureError):
    """The magic or the type is not what a TPM puts before a quote: another statement, or data from outside."""

    name = "TPM_ATTEST_FOREIGN"
    title = "The structure is not a quote of a TPM"
