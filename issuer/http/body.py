"""Request bodies: read raw, up to a cap, within a deadline, before any parser.

The framework would take text/plain for JSON, parse without our gate and wait for a slow body without end
(security.md, requirement 14), so no handler declares a ``data`` parameter: it calls ``read_json`` or ``read_lines``.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final, Literal

from litestar import Request

from issuer.http.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    DisconnectedError,
    ParameterError,
    UnsupportedMediaTypeError,
)

_JSON: Final = re.compile(r'application/json(?:\s*;\s*charset\s*=\s*"?utf-8"?)?\s*', re.IGNORECASE | re.ASCII)
_LINES: Final = re.compile(r'application/x-ndjson(?:\s*;\s*charset\s*=\s*"?utf-8"?)?\s*', re.IGNORECASE | re.ASCII)
_LENGTH: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


async def read_json(request: Request[Any, Any, Any], *, max_bytes: int, timeout_s: float) -> bytes:
    """Return the raw body of a request that says it is JSON; parsing is the caller's.

    Raises UnsupportedMediaTypeError (another content type, character set or coding), BodyTooLargeError
    (announced or received more than ``max_bytes``), BodyTimeoutError and DisconnectedError.
    """
    _check_media_type(request, _JSON, "application/json")
    if _coding(request) != "identity":
        raise UnsupportedMediaTypeError("this path reads no compressed bodies; leave out Content-Encoding")
    return await _read(request, max_bytes, timeout_s)


async def read_lines(
    request: Request[Any, Any, Any], *, max_bytes: int, timeout_s: float
) -> tuple[bytes, Literal["identity", "gzip"]]:
    """Return the raw body of a request that says it is JSON lines, and its coding; inflating is the caller's.

    Raises as read_json; ``max_bytes`` is what is received, compressed or not.
    """
    _check_media_type(request, _LINES, "application/x-ndjson")
    coding = _coding(request)
    if coding == "gzip":
        return await _read(request, max_bytes, timeout_s), "gzip"
    if coding == "identity":
        return await _read(request, max_bytes, timeout_s), "identity"
    raise UnsupportedMediaTypeError("this path reads Content-Encoding gzip or none")


async def _read(request: Request[Any, Any, Any], max_bytes: int, timeout_s: float) -> bytes:
    _check_announced(request.headers.get("content-length"), max_bytes)
    try:
        async with asyncio.timeout(timeout_s):
            return await _receive(request, max_bytes)
    except TimeoutError as error:
        raise BodyTimeoutError(f"the body did not arrive within {timeout_s:g} s; send it again at once") from error


def _check_media_type(request: Request[Any, Any, Any], wanted: re.Pattern[str], name: str) -> None:
    declared = request.headers.getall("content-type", [])
    if len(declared) != 1 or not wanted.fullmatch(declared[0].strip()):
        raise UnsupportedMediaTypeError(f"this path reads {name} in UTF-8 only; set Content-Type accordingly")


def _coding(request: Request[Any, Any, Any]) -> str:
    declared = request.headers.getall("content-encoding", [])
    return ",".join(declared).strip().lower() or "identity"


def _check_announced(content_length: str | None, max_bytes: int) -> None:
    if content_length is None:
        return
    if not _LENGTH.fullmatch(content_length):
        raise ParameterError("Content-Length is not a number")
    if int(content_length) > max_bytes:
        raise _too_large(max_bytes)


async def _receive(request: Request[Any, Any, Any], max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    received = 0
    while True:
        event = await request.receive()
        if event["type"] != "http.request":
            raise DisconnectedError("the client went away before its body was whole")
        chunk = event.get("body", b"")
        received += len(chunk)
        if received > max_bytes:
            raise _too_large(max_bytes)
        chunks.append(chunk)
        if not event.get("more_body", False):
            return b"".join(chunks)


def _too_large(max_bytes: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"this path reads at most {max_bytes} bytes")
