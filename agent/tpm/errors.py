"""The errors of the TPM.

AgentError
└── TpmError
    ├── TpmAddressError       the address of the TPM cannot be read
    ├── TpmUnavailableError   there is none, it may not be opened, it has failed, or the connection is gone
    ├── TpmBusyError          it is there, and did not do this in the time it was given
    ├── TpmLockoutError       it refuses every password until its lockout ends
    ├── TpmAnswerError        what came back is no answer of a TPM 2.0
    ├── TpmRefusedError       it answered with a response code
    ├── TpmUnsuitableError    it works, and lacks something that is needed
    └── TpmChangedError       its keys or its PCR are not those that were left there

Absent, busy and locked are three states of one node: none of them loses a window, and each must be told.
"""

from __future__ import annotations

from agent.errors import AgentError
from agent.tpm.codes import describe, name_of
from schemas.tpm.errors import TpmStructureError


class TpmError(AgentError):
    """Root of what goes wrong with the TPM."""

    name = "TPM_ERROR"
    title = "The TPM cannot be used"
    status = 503


class TpmAddressError(TpmError):
    """The address of the TPM cannot be read."""

    name = "TPM_ADDRESS_INVALID"
    title = "The TPM's address is malformed"
    status = 400


class TpmUnavailableError(TpmError):
    """There is no TPM, it may not be opened, it has failed, or the connection to it is gone."""

    name = "TPM_UNAVAILABLE"
    title = "The TPM is not available"


class TpmBusyError(TpmError):
    """The TPM did not do this in the time it was given; it may a moment later."""

    name = "TPM_BUSY"
    title = "The TPM is busy"


class TpmLockoutError(TpmError):
    """The TPM is in lockout after wrong passwords."""

    name = "TPM_LOCKOUT"
    title = "The TPM is in lockout"


class TpmAnswerError(TpmError, TpmStructureError):
    """What came back is no answer of a TPM 2.0."""

    name = "TPM_ANSWER_MALFORMED"
    title = "The TPM's answer cannot be read"


class TpmRefusedError(TpmError):
    """The TPM answered with a response code: ``code`` as it came, ``code_name`` without its position."""

    name = "TPM_REFUSED"
    title = "The TPM refused the command"

    def __init__(self, command: str, code: int, advice: str = "") -> None:
        """Say which command was refused, how, and what to do."""
        super().__init__(f"{command}: the TPM answered {describe(code)}" + (f"; {advice}" if advice else ""))
        self.code = code
        self.code_name = name_of(code)


class TpmUnsuitableError(TpmError):
    """The TPM works, and lacks something that is needed: a PCR bank, an algorithm, a certificate."""

    name = "TPM_UNSUITABLE"
    title = "The TPM lacks what is needed"


class TpmChangedError(TpmError):
    """The TPM's keys or its PCR are not those that the agent left there."""

    name = "TPM_CHANGED"
    title = "The TPM is not as it was left"
