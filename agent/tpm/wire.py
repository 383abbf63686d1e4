"""Commands and answers as bytes, with password and policy authorizations. TPM 2.0 Part 1, 18 and 19. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from agent.tpm import codes
from agent.tpm.constants import Command, Handle
from agent.tpm.errors import TpmAnswerError
from schemas.tpm import wire
from schemas.tpm.wire import sized, uint8, uint16, uint32

MAX_BYTES: Final = wire.MAX_STRUCTURE_BYTES
"""Longest command and answer, in bytes: what Linux's driver takes."""
HEADER_BYTES: Final = 10
"""Tag (2), size (4) and code (4) in front of every command and answer. Part 1, 18."""

_NO_SESSIONS: Final = 0x8001
_SESSIONS: Final = 0x8002
_CONTINUE_SESSION: Final = 0x01


@dataclass(frozen=True, slots=True)
class Authorization:
    """What entitles a command to use a handle: a password, or a policy session.

    A policy session stays after the command: it is flushed by whoever began it, also when the command failed.
    """

    session: int = Handle.PASSWORD
    password: bytes = b""

    @property
    def encoded(self) -> bytes:
        """TPMS_AUTH_COMMAND: session, no nonce, attributes, password (Part 2, 10.13.2)."""
        attributes = 0 if self.session == Handle.PASSWORD else _CONTINUE_SESSION
        return uint32(self.session) + sized(b"") + uint8(attributes) + sized(self.password)

    def __repr__(self) -> str:
        # Never the password.
        return f"<Authorization 0x{self.session:08x}>"


EMPTY_PASSWORD: Final = Authorization()


class AnswerReader(wire.Reader):
    """Reads the parameters of an answer. Every method raises TpmAnswerError where they end too soon."""

    __slots__ = ()

    def error(self, detail: str) -> TpmAnswerError:
        """Return an error that names the command and ``detail``, for the caller to raise."""
        return TpmAnswerError(f"{self._structure}: {detail}")

    def rest(self) -> bytes:
        """Return all that has not been read."""
        return self.take(len(self._raw) - self._offset, "the rest")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a TPM: its code, and if that is success, the handle that was made and the parameters."""

    code: int
    handle: int
    parameters: bytes


def encode_command(
    command: Command, handles: Iterable[int], authorizations: Sequence[Authorization], parameters: bytes
) -> bytes:
    """Return a command's bytes. Raises ValueError where they exceed what a TPM takes."""
    area = b"".join(authorization.encoded for authorization in authorizations)
    body = b"".join(map(uint32, handles)) + (uint32(len(area)) + area if authorizations else b"") + parameters
    size = HEADER_BYTES + len(body)
    if size > MAX_BYTES:
        raise ValueError(f"{command.title}: a command of {size} bytes; a TPM takes at most {MAX_BYTES}")
    return uint16(_SESSIONS if authorizations else _NO_SESSIONS) + uint32(size) + uint32(command) + body


def decode_answer(command: Command, answer: bytes, *, authorizations: int, makes_handle: bool) -> Answer:
    """Return what an answer says to a command that carried so many authorizations.

    Every length is checked against what came: raises TpmAnswerError for truncation, trailing bytes, another tag.
    """
    reader = AnswerReader(answer, f"the answer to {command.title}")
    tag, size, code = reader.uint16("tag"), reader.uint32("size"), reader.uint32("code")
    if size != len(answer):
        raise reader.error(f"{size} bytes are announced, {len(answer)} came")
    if code != codes.SUCCESS:
        return Answer(code, 0, b"")
    if tag != (_SESSIONS if authorizations else _NO_SESSIONS):
        raise reader.error(f"tag 0x{tag:04x} does not fit the command")
    handle = reader.uint32("handle") if makes_handle else 0
    if not authorizations:
        return Answer(code, handle, reader.rest())
    parameters = reader.take(reader.uint32("parameterSize"), "parameters")
    for _ in range(authorizations):
        # TPMS_AUTH_RESPONSE; neither kind of authorization of ours is acknowledged by an HMAC.
        reader.sized("nonce", MAX_BYTES)
        reader.uint8("session attributes")
        reader.sized("acknowledgement", MAX_BYTES)
    reader.end()
    return Answer(code, handle, parameters)
