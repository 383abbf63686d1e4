"""Request bodies: read raw, up to a cap, within a deadline and not at a crawl, before any parser.

The framework would take text/plain for JSON, parse without our gate and wait for a slow body without end
(security.md, requirement 14), so no route declares a ``data`` parameter.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection
from typing import Any, Final, TypeAlias

from litestar import Request

from verifier.http.errors import (
    BadRequestError,
    BodyTooLargeError,
    DisconnectedError,
    TooSlowError,
    UnsupportedMediaTypeError,
)
from verifier.http.limits import Share

AnyRequest: TypeAlias = Request[Any, Any, Any]

JSON_TYPES: Final = ("application/json", "application/ld+json")
PACE_BYTES: Final = 16 * 1024
"""Every ``stall_s`` seconds so many bytes more must have arrived, or the whole body."""

_LENGTH: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


def check_media_type(request: AnyRequest, types: Collection[str]) -> None:
    """Raise UnsupportedMediaTypeError where the body is not declared as one of ``types``, in UTF-8.

    A plain text body would pass browsers' checks unasked, so the content type must be there.
    """
    declared = request.headers.getall("content-type", [])
    media_type, _, parameters = (declared[0] if len(declared) == 1 else "").partition(";")
    charset = "".join(parameters.split()).replace('"', "").lower()
    if media_type.strip().lower() not in types or charset not in {"", "charset=utf-8"}:
        raise UnsupportedMediaTypeError(f"the content type must be {' or '.join(types)}, in UTF-8")


def content_coding(request: AnyRequest, codings: Collection[str] = ()) -> str:
    """Return the body's content coding: "identity", or one of ``codings``. Raises UnsupportedMediaTypeError."""
    declared = request.headers.getall("content-encoding", ["identity"])
    coding = declared[0].strip().lower() if len(declared) == 1 else ""
    if coding not in {"identity", *codings}:
        read = f"Content-Encoding {', '.join(codings)} or none" if codings else "no compressed bodies"
        raise UnsupportedMediaTypeError(f"this path reads {read}; leave out Content-Encoding")
    return coding


async def read_json_body(
    request: AnyRequest,
    *,
    max_bytes: int,
    deadline_s: float,
    stall_s: float | None = None,
    share: Share | None = None,
    types: Collection[str] = JSON_TYPES,
) -> bytes:
    """Return the body's bytes, declared as JSON and not compressed; as read_body, and UnsupportedMediaTypeError."""
    check_media_type(request, types)
    content_coding(request)
    return await read_body(request, max_bytes=max_bytes, deadline_s=deadline_s, stall_s=stall_s, share=share)


async def read_body(
    request: AnyRequest,
    *,
    max_bytes: int,
    deadline_s: float,
    stall_s: float | None = None,
    share: Share | None = None,
) -> bytes:
    """Return the body's bytes, at most ``max_bytes``, arrived within ``deadline_s`` and, with ``stall_s``, at a pace.

    Each piece is taken from ``share`` before it is kept, not all that was announced: who sends nothing holds nothing.
    Raises BodyTooLargeError (before anything is read, where the length was announced), TooSlowError,
    DisconnectedError, OverloadedError.
    """
    _check_announced(request.headers.get("content-length"), max_bytes)
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    stall_s = deadline_s if stall_s is None else stall_s
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
        pace = f", or slower than {PACE_BYTES} bytes in {stall_s:g} s" if stall_s < deadline_s else ""
        raise TooSlowError(f"the body did not arrive within {deadline_s:g} s{pace}; send it again at once") from error


def _check_announced(content_length: str | None, max_bytes: int) -> None:
    if content_length is None:
        return
    if not _LENGTH.fullmatch(content_length):
        raise BadRequestError("Content-Length is not a number")
    if int(content_length) > max_bytes:
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"this path reads at most {max_bytes} bytes")
