"""A node's windows as their issuer hands them out to an auditor, taken apart into the files of a bundle.

The issuer's pages hold each window as the node sent it: the evidence, the opening quote where the machine had started
anew, the records. With them come the window's credential and the fate of its nonce. Nothing of it is believed here:
what is packed is checked when the bundle is.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlencode

import msgspec

from schemas import base64url, jcs, strict_json
from schemas.errors import FormatError, GreenError
from schemas.window_record import decode_records
from verifier.attestation.freshness import IssuedNonce
from verifier.audit import Progress
from verifier.audit_bundle import MAX_BYTES_OF, entry_of
from verifier.audit_errors import IssuerBusyError, IssuerRefusedError
from verifier.audit_make import Collected
from verifier.errors import FetchFailedError, HostUnreachableError, UsageError
from verifier.evidence import Fetched

MAX_PAGE_BYTES: Final = 32 * 1024 * 1024
PAGE_TIMEOUT_S: Final = 120.0
"""What a client that reads the pages has to allow for: one window alone may have 8 MiB, compressed."""

_PAGE_LIMIT: Final = 100
_PAUSES_S: Final = (2.0, 4.0, 8.0, 16.0, 32.0)
_MAX_PAUSE_S: Final = 90.0
_MAX_LINE_BYTES: Final = 256 * 1024
_MAX_DEPTH: Final = 6
_GZIP: Final = 31
_MAX_SHOWN: Final = 500
_JSON: Final = ("application/json",)
_NONE: Final = b"null"


class Item(msgspec.Struct, frozen=True):
    """One window; more members than these may come."""

    sequence: int
    credential: msgspec.Raw
    request: str
    nonce: IssuedNonce | None = None


class Page(msgspec.Struct, frozen=True):
    """A page of windows."""

    items: list[Item]
    next_cursor: str | None = None


# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
_PAGES: Final = msgspec.json.Decoder(Page)


class Asked(Protocol):
    """Whoever asks the issuer: verifier.fetch.EgressClient with a key and ``refusal``."""

    async def get(self, url: str, accept: tuple[str, ...]) -> Fetched:
        """Return the answer. Raises FetchError, and what ``refusal`` makes of another status than 200."""
        ...


@dataclass(frozen=True, slots=True)
class Period:
    """Which windows: a node's that end at or after ``since`` and before ``until``, as the issuer reads them."""

    node_id: str
    since: str | None = None
    until: str | None = None

    def url(self, issuer: str, cursor: str | None) -> str:
        """Return the address of a page."""
        asked = {"limit": str(_PAGE_LIMIT), "since": self.since, "until": self.until, "cursor": cursor}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        return f"{issuer.rstrip('/')}/api/v1/windows/{self.node_id}?{query}"


async def take_windows(
    issuer: str,
    period: Period,
    client: Asked,
    collected: Collected,
    *,
    progress: Progress = lambda *_: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> list[str]:
    """Collect a node's windows of a period, and return in words which of them have no credential.

    Where the issuer is busy it is asked again, for some minutes. Raises IssuerRefusedError, FetchError, UsageError
    where the period has no windows or more than a bundle holds, and OSError.
    """
    nonces: list[IssuedNonce] = []
    without: list[str] = []
    cursor, done = None, 0
    while True:
        raw = await _ask(client, period.url(issuer, cursor), sleep)
        page = await asyncio.to_thread(take_page, raw, collected)
        for item in page.items:
            if item.nonce is not None:
                nonces.append(item.nonce)
            if bytes(item.credential) == _NONE:
                without.append(f"window {item.sequence} has no credential: the issuer has not finished it yet")
        done += len(page.items)
        progress("windows", done, 0)
        if page.next_cursor is None:
            break
        if not page.items or page.next_cursor == cursor:
            raise FetchFailedError("the issuer's pages of windows lead nowhere")
        cursor = page.next_cursor
    if not done:
        raise UsageError(f"the issuer has no window of {period.node_id} that ended in this period")
    log = b"".join(msgspec.json.encode(nonce) + b"\n" for nonce in nonces)
    if log:
        collected.keep(entry_of("nonce-log", log), log)
    return without


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> GreenError:
    """Return the error of an answer that is no page, in the issuer's own words where it gives a problem document."""
    try:
        problem = json.loads(body)
        said = str(problem["detail"])[:_MAX_SHOWN]
    except (ValueError, KeyError, TypeError, RecursionError):
        said = "it says no more about it; is this the issuer's address?"
    detail = f"the issuer answers {status}: {said}"
    if status == 429 or status >= 500:  # noqa: PLR2004 - Too Many Requests, and faults
        wait = headers.get("retry-after", "")
        seconds = float(wait) if wait.isascii() and wait.isdigit() and len(wait) <= 5 else 0.0  # noqa: PLR2004
        return IssuerBusyError(detail, retry_after_s=seconds)
    return IssuerRefusedError(detail)


async def _ask(client: Asked, url: str, sleep: Callable[[float], Awaitable[None]]) -> bytes:
    for pause_s in _PAUSES_S:
        try:
            return (await client.get(url, _JSON)).body or b""
        except HostUnreachableError:
            raise
        except IssuerBusyError as error:
            await sleep(min(max(pause_s, error.retry_after_s), _MAX_PAUSE_S))
        except FetchFailedError:
            await sleep(pause_s)
    return (await client.get(url, _JSON)).body or b""


def take_page(raw: bytes, collected: Collected) -> Page:
    """Collect the files of a page's windows, and return the page. Raises FetchFailedError, UsageError and OSError."""
    try:
        page = _PAGES.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FetchFailedError(
            f"the issuer's answer is no page of windows ({ascii(str(error))[1:100]}); is its version another?"
        ) from error
    for item in page.items:
        _keep(item, collected)
    return page


def _keep(item: Item, collected: Collected) -> None:
    """Take the files of one window."""
    try:
        line, records = _lines(item)
        for content in _contents(item, line):
            if collected.add(content) is None:
                raise FetchFailedError(f"window {item.sequence}: the issuer sends something that belongs in no bundle")
        if records:
            # By what they are for: a single record looks like other objects.
            collected.keep(entry_of("records", records, of=decode_records(records).merkle_root), records)
    except FormatError as error:
        told = f"window {item.sequence}: what the issuer has of it cannot be read: {error.detail}"
        raise FetchFailedError(told) from error


def _contents(item: Item, line: bytes) -> Iterator[bytes]:
    """Yield the credential, the evidence, and the boot event where one came."""
    if bytes(item.credential) != _NONE:
        yield bytes(item.credential)
    members = strict_json.parse_object(line, max_bytes=_MAX_LINE_BYTES, max_depth=_MAX_DEPTH)
    evidence, event = members.get("evidence"), members.get("boot_event")
    if isinstance(evidence, dict):
        token = evidence.get("jws")
        yield token.encode() if isinstance(token, str) else jcs.canonical_bytes(evidence)
    if isinstance(event, dict):
        yield jcs.canonical_bytes(event)


def _lines(item: Item) -> tuple[bytes, bytes]:
    """Return the first line of a window's request, and the others."""
    largest = MAX_BYTES_OF["records"] + _MAX_LINE_BYTES
    inflater = zlib.decompressobj(_GZIP)
    try:
        content = inflater.decompress(base64url.decode(item.request), largest + 1)
    except zlib.error as error:
        raise FetchFailedError(f"window {item.sequence}: the issuer's copy of it is no gzip") from error
    if len(content) > largest or not inflater.eof:
        raise FetchFailedError(f"window {item.sequence}: the issuer's copy of it is cut off, or larger than any window")
    line, _, records = content.partition(b"\n")
    return line, records
