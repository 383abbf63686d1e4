"""What engines say to the daemon after ``{"v":1,"op":"engine"}``: JSON, a line each, on the same socket. Pure.

    {"op":"begin","r":7,"id":"a1","model":"m","t":<ns>}      a request, from now on called 7 on this connection
    {"op":"steps","s":[[<t0>,<t1>,[[7,1,1731,1],[8,512,0,0]]]]}
                                                             steps: from, to, and of each request in it: tokens
                                                             scheduled, context before them, phase (0 prompt, 1 answer)
    {"op":"report","r":7,"input":512,"output":40}            tokens so far, of an engine that tells no steps
    {"op":"end","r":7,"input":512,"output":436,"t":<ns>}

Times are CLOCK_BOOTTIME in ns. A message is answered only where it has ``n``, or is refused. A line has at most 65,536
bytes; what cannot be read is answered and ends the connection, and with it all of its requests. A step may name
requests that were never begun here, of before the daemon started say: their part is nobody's.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from schemas.errors import ParsingError

MAX_ENGINE_LINE_BYTES: Final = 65_536
MAX_TOKENS: Final = 2**31 - 1

_Tokens = Annotated[int, Meta(ge=0, le=MAX_TOKENS)]
_Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]
_Moment = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Name = Annotated[str, Meta(max_length=512)]

Part: TypeAlias = tuple[_Number, _Tokens, _Tokens, Literal[0, 1]]
"""A request in a step: its number, tokens scheduled, context before them, phase."""


class _Message(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="op"):
    n: _Number | None = None


class Begin(_Message, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="begin"):
    """A request begins. Without ``id`` the daemon gives it one; without ``tenant`` it is the node's own tenant's."""

    r: _Number
    model: _Name
    id: _Name | None = None
    tenant: _Name | None = None
    t: _Moment | None = None


class StepLine(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One step."""

    t0: _Moment
    t1: _Moment
    parts: list[Part]


class Steps(_Message, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="steps"):
    """Steps that have ended, and how many the engine had no room for since it last said."""

    s: list[StepLine]
    dropped: _Number = 0


class Report(_Message, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="report"):
    """How many tokens a request has had so far, in all."""

    r: _Number
    input: _Tokens | None = None
    output: _Tokens | None = None


class End(_Message, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="end"):
    """A request has ended; what it had in all."""

    r: _Number
    input: _Tokens | None = None
    output: _Tokens | None = None
    t: _Moment | None = None


EngineMessage: TypeAlias = Begin | Steps | Report | End

# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
_MESSAGES: Final[msgspec.json.Decoder[EngineMessage]] = msgspec.json.Decoder(EngineMessage)
_ENCODER: Final = msgspec.json.Encoder()


def read_message(line: bytes) -> EngineMessage:
    """Return what an engine says. Raises ParsingError."""
    try:
        return _MESSAGES.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ParsingError(f"the line is no message of an engine: {ascii(str(error))[1:160]}") from error


def message_line(message: EngineMessage) -> bytes:
    """Return a message as it is sent."""
    return _ENCODER.encode(message) + b"\n"
