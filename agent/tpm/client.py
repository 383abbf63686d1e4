"""A TPM that commands can be given to: framing, response codes, retries.

``opening`` opens one. The commands are functions over it: ``keys``, ``sessions``, ``pcrs``, ``attestation``, ``nv``,
``info``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from threading import RLock
from types import TracebackType
from typing import Final, Self

from agent.tpm import codes
from agent.tpm.constants import Command
from agent.tpm.errors import TpmBusyError, TpmLockoutError, TpmRefusedError, TpmUnavailableError, TpmUnsuitableError
from agent.tpm.transport import Transport
from agent.tpm.wire import AnswerReader, Authorization, decode_answer, encode_command

USUAL_S: Final = 30.0
"""Time limit of a command, in seconds. A signature takes up to 0.6 s in hardware; others may be waiting in front."""
KEY_GENERATION_S: Final = 180.0
"""Time limit of making a key, in seconds: RSA primes are found by luck, a minute was seen."""
PATIENCE_S: Final = 20.0
"""How long, in seconds, a command is repeated that the TPM puts off."""
_FIRST_PAUSE_S: Final = 0.02
_LONGEST_PAUSE_S: Final = 1.0

_ADVICE: Final = {
    "TPM_RC_AUTH_FAIL": "a password is wrong; wrong ones count towards its lockout",
    "TPM_RC_BAD_AUTH": "a password is wrong: give that of the hierarchy by owner-auth-file or endorsement-auth-file",
    "TPM_RC_COMMAND_CODE": "this TPM does not know the command",
    "TPM_RC_NV_SPACE": "its NV memory is full: remove indices that nobody uses (tpm2_nvundefine)",
    "TPM_RC_NV_LOCKED": "somebody locked this index",
    "TPM_RC_CURVE": "this TPM does not know the curve: use scheme=rsapss",
    "TPM_RC_LOCALITY": "the platform reserves this PCR: choose another",
}


class Tpm:
    """A TPM behind a transport. Any thread may call it; ``lock`` keeps several commands together."""

    def __init__(
        self,
        transport: Transport,
        *,
        owner_password: bytes = b"",
        endorsement_password: bytes = b"",
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take a transport, to be closed with this; the hierarchies' passwords are empty on most machines."""
        self.owner = Authorization(password=owner_password)
        self.endorsement = Authorization(password=endorsement_password)
        self.lock = RLock()
        self._transport = transport
        self._sleep = sleep
        self._monotonic = monotonic

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def place(self) -> str:
        """Where the TPM is, for messages."""
        return self._transport.place

    @property
    def exclusive(self) -> bool:
        """Whether keys and sessions in the TPM can only be ours."""
        return self._transport.exclusive

    def close(self) -> None:
        """Give the TPM back."""
        self._transport.close()

    def run(
        self,
        command: Command,
        handles: Sequence[int] = (),
        authorizations: Sequence[Authorization] = (),
        parameters: bytes = b"",
        *,
        timeout_s: float = USUAL_S,
    ) -> AnswerReader:
        """Return the parameters of the answer to a command that makes no handle.

        Sent again, for at most ``PATIENCE_S``, while the TPM says that it was not done and may be repeated. Never
        after a silence: then nobody knows whether it was done. Raises TpmBusyError, TpmLockoutError,
        TpmUnavailableError, TpmAnswerError, TpmRefusedError.
        """
        return self._run(command, handles, authorizations, parameters, timeout_s, makes_handle=False)[1]

    def make(
        self,
        command: Command,
        handles: Sequence[int],
        authorizations: Sequence[Authorization],
        parameters: bytes,
        *,
        timeout_s: float = USUAL_S,
    ) -> tuple[int, AnswerReader]:
        """Return the handle that a command made, to be flushed by the caller, and the answer's parameters.

        Raises what ``run`` raises.
        """
        return self._run(command, handles, authorizations, parameters, timeout_s, makes_handle=True)

    def _run(
        self,
        command: Command,
        handles: Sequence[int],
        authorizations: Sequence[Authorization],
        parameters: bytes,
        timeout_s: float,
        *,
        makes_handle: bool,
    ) -> tuple[int, AnswerReader]:
        encoded = encode_command(command, handles, authorizations, parameters)
        with self.lock:
            until_s = self._monotonic() + PATIENCE_S
            pause_s = _FIRST_PAUSE_S
            while True:
                answer = decode_answer(
                    command,
                    self._transport.exchange(encoded, timeout_s),
                    authorizations=len(authorizations),
                    makes_handle=makes_handle,
                )
                if answer.code == codes.SUCCESS:
                    return answer.handle, AnswerReader(answer.parameters, f"the answer to {command.title}")
                self._judge(command, answer.code, tired=self._monotonic() + pause_s > until_s)
                # A jitter, so that two programs that were put off do not meet again.
                self._sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _judge(self, command: Command, code: int, *, tired: bool) -> None:
        """Return if the command is worth another try."""
        name = codes.name_of(code)
        what = f"{command.title} at {self.place}: the TPM answered {codes.describe(code)}"
        if name in codes.PASSING or name in codes.FULL:
            if tired:
                room = "; other programs hold its slots: use /dev/tpmrm0, which shares them"
                raise TpmBusyError(f"{what} for {PATIENCE_S:g} s" + (room if name in codes.FULL else ""))
            return
        if name == "TPM_RC_LOCKOUT":
            raise TpmLockoutError(
                f"{what}: too many wrong passwords; wait, or run tpm2_dictionarylockout --clear-lockout"
            )
        if name in codes.FAILED:
            raise TpmUnavailableError(f"{what}: {codes.FAILED[name]}")
        if code == codes.BAD_TAG:
            raise TpmUnsuitableError(f"{what}: it is a TPM 1.2; a TPM 2.0 is needed")
        raise TpmRefusedError(f"{command.title} at {self.place}", code, _ADVICE.get(name, ""))
