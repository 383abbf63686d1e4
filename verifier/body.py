"""Request bodies: read raw, up to a cap, within a deadline and not at a crawl, before any parser.

The framework would take text/plain for JSON, parse without our gate and wait for a slow body without end
(security.md, requirement 14), so no route declares a ``data`` parameter.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final, TypeAlias

from litestar import Request
from litestar.datastructures import State

from verifier.limits import Share
from verifier.problems import (
    BadRequestError,
    BodyTooLargeError,
    DisconnectedError,
    TooSlowError,
    UnsupportedMediaTypeError,
)

AnyRequest: TypeAlias = Request[object, object, State]

JSON_TYPES: Final = frozenset({"application/json", "application/ld+json"})
PACE_BYTES: Final = 16 * 1024
"""Every ``stall_s`` seconds so many bytes more must have arrived, or the whole body."""

_STALL_S: Final = 5.0
_LENGTH: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


async def read_json_body(
    request: AnyRequest, *, max_bytes: int, deadline_s: float, stall_s: float = _STALL_S, share: Share | None = None
) -> bytes:
    """Return the body's bytes, declared as JSON; as read_body, and UnsupportedMediaTypeError.

    A plain text body would pass browsers' checks unasked, so the content type must be there.
    """
    _check_media_type(request)
    return await read_body(request, max_bytes=max_bytes, deadline_s=deadline_s, stall_s=stall_s, share=share)


async def read_body(
    request: AnyRequest, *, max_bytes: int, deadline_s: float, stall_s: float = _STALL_S, share: Share | None = None
) -> bytes:
    """Return the body's bytes, at most ``max_bytes``, arrived within ``deadline_s``.

    Each piece is taken from ``share`` before it is kept, not all that was announced: who sends nothing holds nothing.
    Raises BodyTooLargeError (before anything is read, where the length was announced), TooSlowError,
    DisconnectedError, OverloadedError.
    """
    _check_announced(request.headers.get("content-length"), max_bytes)
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    body = bytearray()
    try:
        async with asyncio.timeout_at(min(end, loop.time() + stall_s)) as patience:
            while True:
                event = await request.receive()
                if event["type"] != "http.request":
                    raise DisconnectedError("the body broke off before its end, or its chunks are malformed")
                chunk = event.get("body", b"")
                if len(body) + len(chunk) > max_bytes:
                    raise _too_large(max_bytes)
                if share is not None:
                    share.take(len(chunk))
                if len(body) // PACE_BYTES < (len(body) + len(chunk)) // PACE_BYTES:
                    patience.reschedule(min(end, loop.time() + stall_s))
                body += chunk
                if not event.get("more_body", False):
                    return bytes(body)
    except TimeoutError as error:
        raise TooSlowError(
            f"the body did not arrive within {deadline_s:g} s, or slower than {PACE_BYTES} bytes in {stall_s:g} s"
        ) from error


def _check_media_type(request: AnyRequest) -> None:
    declared = request.headers.getall("content-type", [])
    media_type, _, parameters = (declared[0] if len(declared) == 1 else "").partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if media_type.strip().lower() not in JSON_TYPES or charset not in {"", "charset=utf-8"}:
        raise UnsupportedMediaTypeError("the content type must be application/json (or application/ld+json), in UTF-8")
    codings = request.headers.getall("content-encoding", ["identity"])
    if [coding.strip().lower() for coding in codings] != ["identity"]:
        raise UnsupportedMediaTypeError("no compressed bodies are read; leave out Content-Encoding")


def _check_announced(content_length: str | None, max_bytes: int) -> None:
    if content_length is None:
        return
    if not _LENGTH.fullmatch(content_length):
        raise BadRequestError("Content-Length is not a number")
    if int(content_length) > max_bytes:
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"this path reads at most {max_bytes} bytes")
