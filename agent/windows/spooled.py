"""A window as it lies in its file: sections, each with its length and SHA-256, the last of them maybe torn. Pure."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Struct

from agent.errors import SpoolError
from agent.windows.close import Closed, Head, after
from schemas import base64url
from schemas.errors import FormatError
from schemas.tpm.attest import parse_attest
from schemas.tpm.pcr import extend
from schemas.window_header import WindowHeader, decode_header, window_digest

_MAGIC: Final = b"ecw-spool/1\n"


class Place(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a window stands besides its header: the TPM register's value before it, and the opening that it follows.

    ``chain`` is base64url, empty for a software key; ``boot_event`` the JCS text of schemas.opening_quote, empty
    unless an epoch opens with this window.
    """

    chain: str = ""
    boot_event: str = ""


class _Evidence(Struct, frozen=True):
    attest: list[str] = []


class _FirstLine(Struct, frozen=True):
    evidence: _Evidence


@dataclass(frozen=True, slots=True)
class SpooledWindow:
    """A window in the spool; ``evidence`` is what its request begins with, None until it is signed."""

    name: str
    place: Place
    header: bytes
    records: bytes
    evidence: bytes | None

    @property
    def digest(self) -> bytes:
        """The window digest, 32 bytes."""
        return window_digest(self.header)

    @property
    def parsed(self) -> WindowHeader:
        """The header, read. Raises FormatError."""
        return decode_header(self.header)

    @property
    def chain(self) -> bytes:
        """What the register held before this window; empty for a software key."""
        return base64url.decode(self.place.chain)

    def head(self) -> Head:
        """Return where the chain stands after this window."""
        header = self.parsed
        closed = Closed(self.header, self.records, self.digest, header.sequence, header.end_us)
        chain = base64url.encode(extend(self.chain, self.digest)) if self.place.chain else ""
        before = Head(node_id=header.node_id, clock_ms=clock_in(self.evidence or b""))
        return after(before, closed, header.boot.epoch, chain)


def file_of(closed: Closed, place: Place) -> bytes:
    """Return the file of an unsigned window."""
    sections = (("place", msgspec.json.encode(place)), ("header", closed.header), ("records", closed.records))
    return _MAGIC + b"".join(section(kind, content) for kind, content in sections)


def window_in(name: str, raw: bytes) -> tuple[SpooledWindow, int]:
    """Return the window in a file's bytes, and how many of them are whole. Raises SpoolError where it is damaged."""
    sections, whole = _sections(raw)
    if not {"place", "header", "records"} <= sections.keys():
        raise SpoolError(f"{name} in the window spool is damaged: header or records do not match their digest")
    try:
        place = msgspec.json.decode(sections["place"], type=Place)
    except msgspec.MsgspecError as error:
        raise SpoolError(f"{name} in the window spool is damaged: {error}") from error
    return SpooledWindow(name, place, sections["header"], sections["records"], sections.get("evidence")), whole


def clock_in(evidence: bytes) -> int:
    """Return the TPM's clock, in ms, in the evidence of a request's first line; 0 where it is no TPM's."""
    try:
        members = msgspec.json.decode(evidence, type=_FirstLine).evidence
        return parse_attest(base64url.decode(members.attest[1])).clock_info.clock_ms
    except (msgspec.MsgspecError, FormatError, IndexError):
        return 0


def section(kind: str, content: bytes) -> bytes:
    """Return a section as it is appended."""
    return f"{kind} {len(content)} {hashlib.sha256(content).hexdigest()}\n".encode() + content + b"\n"


def _sections(raw: bytes) -> tuple[dict[str, bytes], int]:
    """Return the whole sections of a file, and where the last of them ends."""
    found: dict[str, bytes] = {}
    position = len(_MAGIC)
    if not raw.startswith(_MAGIC):
        return found, 0
    while True:
        line_end = raw.find(b"\n", position)
        words = raw[position : max(line_end, position)].split(b" ")
        if line_end < 0 or len(words) != 3 or not words[1].isdigit() or len(words[1]) > 12:  # noqa: PLR2004
            return found, position
        begin, end = line_end + 1, line_end + 1 + int(words[1])
        content = raw[begin:end]
        if raw[end : end + 1] != b"\n" or hashlib.sha256(content).hexdigest().encode() != words[2]:
            return found, position
        with contextlib.suppress(UnicodeDecodeError):
            found[words[0].decode("ascii")] = content
        position = end + 1
