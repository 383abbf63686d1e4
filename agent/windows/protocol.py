"""What workloads and the daemon say to each other: JSON, a line each, over a unix socket. Pure.

    {"v":1,"n":1,"op":"start","model_id":"m","inference_id":"a1"}    → {"v":1,"n":1,"ok":true,"id":"a1"}
    {"v":1,"n":2,"op":"stop","id":"a1","output_tokens":436}          → {"v":1,"n":2,"ok":true,"id":"a1","result":{…}}
    {"v":1,"op":"discard","id":"a1"}, {"v":1,"op":"status"}
    {"v":1,"op":"engine"}: from now on an engine speaks here (agent.windows.engine_protocol)

``n`` is the caller's and comes back. ``at_ns`` of start and stop is when it was, by CLOCK_BOOTTIME: a message may be read
late. Answers come in the order of the questions; "ok":false has ``problem`` and
``detail``. A line has at most 4096 bytes. What cannot be read is answered and ends the connection, and a connection
that ends, ends all that was started on it.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.errors import ParsingError

VERSION: Final = 1
MAX_LINE_BYTES: Final = 4096
MAX_SOCKET_PATH_BYTES: Final = 107
"""Of a unix socket on Linux (unix(7))."""

_Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
_Name = Annotated[str, Meta(max_length=512)]


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A question. Which members belong to which ``op`` stands in the module's text."""

    v: Literal[1]
    op: Literal["start", "stop", "discard", "status", "engine"]
    n: _Count | None = None
    id: _Name | None = None
    model_id: _Name | None = None
    inference_id: _Name | None = None
    tenant_id: _Name | None = None
    parent: _Name | None = None
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    requests: _Count | None = None
    at_ns: _Count | None = None


class Result(Struct, frozen=True, kw_only=True):
    """What work used in all: energies in mJ, its length by CLOCK_BOOTTIME in µs, the ids of its records."""

    energy_mj: int
    estimated_mj: int
    duration_us: int
    end_us: int
    method: str
    simulated: bool
    devices: list[str]
    flags: list[str]
    records: list[str]


class WorkerStatus(Struct, frozen=True, kw_only=True):
    """What a daemon says of itself."""

    pid: int
    key_kind: str
    measuring: bool
    running: int
    simulated: bool
    problem: str = ""


class Reply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer."""

    v: int = VERSION
    n: int | None = None
    ok: bool
    id: str | None = None
    result: Result | None = None
    status: WorkerStatus | None = None
    problem: str | None = None
    detail: str | None = None


# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
_REQUESTS: Final = msgspec.json.Decoder(Request)
_REPLIES: Final = msgspec.json.Decoder(Reply)
_ENCODER: Final = msgspec.json.Encoder()


def read_request(line: bytes) -> Request:
    """Return a question. Raises ParsingError."""
    try:
        return _REQUESTS.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ParsingError(f"the line is no request of version {VERSION}: {ascii(str(error))[1:160]}") from error


def read_reply(line: bytes) -> Reply:
    """Return an answer. Raises ParsingError."""
    try:
        return _REPLIES.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ParsingError("the line is no answer of the daemon") from error


def line(message: Request | Reply) -> bytes:
    """Return a message as it is sent."""
    # "v" is a default of answers, and always said.
    members = {"v": VERSION, **msgspec.to_builtins(message)}
    return _ENCODER.encode(members) + b"\n"
