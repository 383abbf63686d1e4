"""The little that is read of bodies: the model of a request, the tokens of an answer. Pure.

Both are JSON of a stranger: what is not of the form is not known, never guessed.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from agent.measurement import UNCOUNTED, Counts

_Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class _Request(Struct):
    model: str | None = None


class _Usage(Struct):
    """As /v1/completions, /v1/chat/completions and /v1/embeddings name it, or as /v1/responses does."""

    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None


class _Answer(Struct):
    usage: _Usage | None = None


class _Event(Struct):
    response: _Answer | None = None


_REQUEST = msgspec.json.Decoder(_Request)
_ANSWER = msgspec.json.Decoder(_Answer)
_EVENT = msgspec.json.Decoder(_Event)


def model_of(body: bytes) -> str:
    """Return the model that a request names, empty where it names none."""
    try:
        return _REQUEST.decode(body).model or ""
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""


def counts_of(body: bytes) -> Counts:
    """Return the tokens that an answer, or the data of one of its events, states; none where it states none."""
    try:
        usage = _ANSWER.decode(body).usage
        if usage is None:
            answer = _EVENT.decode(body).response
            usage = answer.usage if answer is not None else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return UNCOUNTED
    if usage is None:
        return UNCOUNTED
    given = usage.prompt_tokens if usage.prompt_tokens is not None else usage.input_tokens
    made = usage.completion_tokens if usage.completion_tokens is not None else usage.output_tokens
    return Counts(input_tokens=given, output_tokens=made)
