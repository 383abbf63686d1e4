"""Making an audit bundle from a folder of files, each recognized by what it is, never by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from schemas import strict_json
from schemas.errors import FormatError
from schemas.receipt import parse_receipt
from schemas.strict_json import JsonObject
from schemas.window_record import decode_records
from verifier import gather
from verifier.attestation.freshness import IssuedNonce
from verifier.audit_bundle import MAX_BUNDLE_BYTES, MAX_BYTES_OF, MAX_FILES, Entry, Kind, entry_of
from verifier.document import Document, kind_of, parse, strings
from verifier.document import Kind as DocumentKind
from verifier.errors import UsageError
from verifier.evidence import Evidence, Fetched, Part
from verifier.fetch import Fetcher

_LARGEST: Final = max(MAX_BYTES_OF.values())
_STATUS_LISTS: Final = frozenset({"StatusList2021Credential", "BitstringStatusListCredential"})
_JWS: Final = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_DER_SEQUENCE: Final = b"\x30\x82"
_NONCES: Final = msgspec.json.Decoder(IssuedNonce)
_KIND_OF_PART: Final[dict[Part, Kind]] = {
    "did_documents": "did-document",
    "status_lists": "status-list",
    "credentials": "window",
}


@dataclass
class Collected:
    """The files for a bundle, and the names of those in the folder that are of no kind that is known."""

    files: dict[Entry, bytes] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def add(self, content: bytes) -> bool:
        """Take a file and return whether its kind was recognized."""
        found = recognize(content)
        if found is not None:
            self.files[found] = content
        return found is not None

    def documents(self) -> Iterator[Document]:
        """Yield every window's and every inference's credential."""
        for entry, content in self.files.items():
            if entry.kind in ("window", "credential"):
                yield parse(content)


def collect(folder: Path) -> Collected:
    """Return the files under ``folder``, links left out. Raises UsageError where it cannot be read or holds too much."""
    collected, size = Collected(), 0
    try:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            size += path.stat().st_size
            if len(collected.files) >= MAX_FILES or size > MAX_BUNDLE_BYTES:
                raise UsageError(
                    f"{folder}: more than {MAX_FILES} files or {MAX_BUNDLE_BYTES} bytes; make several bundles"
                )
            small = path.stat().st_size <= _LARGEST
            if not small or not collected.add(path.read_bytes()):
                collected.unknown.append(str(path.relative_to(folder)))
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror or error}") from error
    if not any(entry.kind == "window" for entry in collected.files):
        raise UsageError(f"{folder}: there is no window's credential in it")
    return collected


async def complete(collected: Collected, fetcher: Fetcher) -> list[str]:
    """Fetch what the credentials need and the folder does not have; return what could not be had, in words."""
    tried: set[str] = set()
    failures: list[str] = []
    for document in [*collected.documents()]:
        for need in gather.missing(document, _at_hand(collected)):
            if need.url in tried:
                continue
            tried.add(need.url)
            fetched = await fetcher.fetch(need.url, need.accept)
            kind = _KIND_OF_PART.get(need.part)
            if fetched.body is None:
                failures.append(f"{need.url}: {fetched.detail}")
            elif kind is not None:
                collected.files[entry_of(kind, fetched.body)] = fetched.body
            elif not collected.add(fetched.body):
                failures.append(f"{need.url}: what came is of no kind that is known")
    return failures


def recognize(content: bytes) -> Entry | None:
    """Return the entry of a file by what is in it, None where that is nothing of a bundle or too large for it."""
    for kind, of in _kinds(content):
        if len(content) <= MAX_BYTES_OF[kind]:
            return entry_of(kind, content, of=of)
    return None


def _kinds(content: bytes) -> Iterator[tuple[Kind, str | None]]:
    if content.startswith(_DER_SEQUENCE):
        yield "ek-certificate", None
    elif _JWS.fullmatch(content):
        yield "evidence", None
    else:
        try:
            value = strict_json.parse_object(content, max_bytes=MAX_BYTES_OF["status-list"])
        except FormatError:
            yield from _lines(content)
            return
        found = _json_kind(value)
        if found == "receipt":
            yield from _receipt(content)
        elif found is not None:
            yield found, None
        else:
            # Lines may be a single one, which is an object as well.
            yield from _lines(content)


def _json_kind(value: JsonObject) -> Kind | None:
    """Return the kind of a JSON object; what is read strictly later need only be told apart here."""
    identifier, types = value.get("id"), set(strings(value.get("type")))
    described: dict[DocumentKind, Kind] = {
        DocumentKind.WINDOW: "window",
        DocumentKind.INFERENCE: "credential",
        DocumentKind.RECEIPT: "receipt",
    }
    if isinstance(identifier, str) and identifier.startswith("did:"):
        return "did-document"
    if types & _STATUS_LISTS:
        return "status-list"
    if "ek_public" in value:
        return "enrolment"
    if {"ak", "opening"} <= value.keys():
        return "boot-event"
    if {"attest", "header"} <= value.keys() or {"node_id", "energy_kwh", "signature"} <= value.keys():
        return "evidence"
    return "key" if "kty" in value else described.get(kind_of(value))


def _receipt(content: bytes) -> Iterator[tuple[Kind, str | None]]:
    try:
        yield "receipt", parse_receipt(content).window_digest
    except FormatError:
        return


def _lines(content: bytes) -> Iterator[tuple[Kind, str | None]]:
    if not content.startswith(b"{"):
        return
    try:
        yield "records", decode_records(content).merkle_root
    except FormatError:
        try:
            _NONCES.decode_lines(content)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return
        yield "nonce-log", None


def _at_hand(collected: Collected) -> Evidence:
    """Return what is there already under the names that credentials use."""
    parts: dict[Part, dict[str, Fetched]] = {"did_documents": {}, "status_lists": {}, "attachments": {}}
    for entry, content in collected.files.items():
        fetched = Fetched(url=entry.name, origin="folder")
        parts["attachments"][entry.digest] = fetched
        if entry.kind in ("did-document", "status-list", "key", "receipt"):
            for part, name in _names(entry, content):
                parts[part][name] = fetched
    return Evidence(**parts)


def _names(entry: Entry, content: bytes) -> Iterator[tuple[Part, str]]:
    value = strict_json.parse_object(content, max_bytes=MAX_BYTES_OF[entry.kind])
    if entry.kind == "did-document":
        yield "did_documents", str(value.get("id"))
    elif entry.kind == "status-list":
        yield "status_lists", str(value.get("id"))
    elif entry.kind == "receipt":
        yield "attachments", parse_receipt(content).record_digest
    else:
        yield from _thumbprint(value)


def _thumbprint(value: JsonObject) -> Iterator[tuple[Part, str]]:
    from did.errors import DidError
    from did.jwk import parse_jwk

    try:
        yield "attachments", parse_jwk(value).thumbprint_uri
    except DidError:
        return
