"""Making an audit bundle from a folder of files, each recognized by what it is, never by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from schemas import strict_json
from schemas.enrolment_record import parse_enrolment
from schemas.errors import FormatError
from schemas.receipt import parse_receipt
from schemas.strict_json import JsonObject
from schemas.window_record import decode_records
from verifier import gather
from verifier.attestation.freshness import IssuedNonce
from verifier.audit_bundle import MAX_BUNDLE_BYTES, MAX_BYTES_OF, MAX_FILES, Entry, Kind, content_of, entry_of
from verifier.document import Document, kind_of, parse, strings
from verifier.document import Kind as DocumentKind
from verifier.errors import UsageError
from verifier.evidence import NOTHING, Part
from verifier.fetch import Fetcher

_LARGEST: Final = max(MAX_BYTES_OF.values())
_STATUS_LISTS: Final = frozenset({"StatusList2021Credential", "BitstringStatusListCredential"})
_JWS: Final = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_DER_SEQUENCE: Final = b"\x30\x82"
_NONCES: Final = msgspec.json.Decoder(IssuedNonce)
CERTIFICATE_TYPES: Final = ("application/pkix-cert", "application/octet-stream")
_KIND_OF_PART: Final[dict[Part, Kind]] = {
    "did_documents": "did-document",
    "status_lists": "status-list",
    "credentials": "window",
}


@dataclass
class Collected:
    """The files for a bundle, and the names of those in the folder that are of no kind that is known.

    A file is its bytes, or where they lie. ``spool`` is a folder for what is added, None for the memory.
    """

    files: dict[Entry, bytes | Path] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    spool: Path | None = None
    max_files: int = MAX_FILES
    size: int = 0

    def add(self, content: bytes, path: Path | None = None) -> Entry | None:
        """Take a file, which lies at ``path``, and return its entry, None where its kind is not known.

        Raises UsageError where a bundle has no room for it, and OSError.
        """
        found = recognize(content)
        if found is not None and found not in self.files:
            self.keep(found, content, path)
        return found

    def keep(self, entry: Entry, content: bytes, path: Path | None = None) -> None:
        """Take a file whose kind is known. Raises UsageError and OSError as add does."""
        self.size += entry.size
        if len(self.files) >= self.max_files or self.size > MAX_BUNDLE_BYTES:
            raise UsageError(
                f"more than {self.max_files} files or {MAX_BUNDLE_BYTES} bytes; make several bundles, of shorter periods"
            )
        if path is None and self.spool is not None:
            path = self.spool / entry.name
            path.write_bytes(content)
        self.files[entry] = content if path is None else path

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of a file that was taken. Raises UsageError where it was changed meanwhile, and OSError."""
        return content_of(entry, self.files[entry])

    def of(self, *kinds: Kind) -> Iterator[Entry]:
        """Yield the entries of these kinds."""
        return (entry for entry in [*self.files] if entry.kind in kinds)


def collect(folder: Path, *, max_files: int = MAX_FILES) -> Collected:
    """Return the files under ``folder``, links left out. Raises UsageError where it cannot be read or holds too much."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder")
    collected = Collected(max_files=max_files)
    _take(collected, sorted(folder.rglob("*")), folder)
    if not any(collected.of("window")):
        raise UsageError(f"{folder}: there is no window's credential in it")
    return collected


def include(collected: Collected, path: Path) -> None:
    """Take a file, or the files under a folder, besides what was collected. Raises UsageError as collect does."""
    if path.is_dir():
        _take(collected, sorted(path.rglob("*")), path)
    elif path.is_file():
        # A link that is named by whoever asks is no link that lay in a folder.
        _take(collected, [path.resolve()], path.resolve().parent)
    else:
        raise UsageError(f"{path} is no file and no folder")


def _take(collected: Collected, paths: Iterable[Path], folder: Path) -> None:
    try:
        for path in paths:
            if path.is_symlink() or not path.is_file():
                continue
            small = path.stat().st_size <= _LARGEST
            if not small or collected.add(path.read_bytes(), path) is None:
                collected.unknown.append(str(path.relative_to(folder)))
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror or error}") from error


async def complete(collected: Collected, fetcher: Fetcher) -> list[str]:
    """Fetch what the credentials need and the folder does not have; return what could not be had, in words.

    That is what a verification asks for, and the certificates that an enrolment names. Raises UsageError and OSError.
    """
    completing = _Completing(collected, fetcher)
    for entry in collected.of("window", "credential"):
        await completing.complete(parse(collected.read(entry)))
    return completing.failures


class _Completing:
    """Fetches each thing once, from the hosts alone that a verification of the credentials contacts."""

    def __init__(self, collected: Collected, fetcher: Fetcher) -> None:
        self._collected, self._fetcher = collected, fetcher
        self._at_hand: set[tuple[Part, str]] = set()
        self._tried: set[str] = set()
        self._enrolments: set[str] = set()
        self.failures: list[str] = []
        for entry in [*collected.files]:
            self._note(entry)

    async def complete(self, document: Document) -> None:
        for need in gather.missing(document, NOTHING):
            await self._fetch(need.part, need.name, need.url, need.accept)
            folder, _, digest = need.url.rpartition("/enrolments/")
            if folder and digest == need.name and digest not in self._enrolments:
                self._enrolments.add(digest)
                for certificate in self._certificates(digest):
                    await self._fetch("attachments", certificate, f"{folder}/evidence/{certificate}", CERTIFICATE_TYPES)

    async def _fetch(self, part: Part, name: str, url: str, accept: tuple[str, ...]) -> None:
        if (part, name) in self._at_hand or url in self._tried:
            return
        self._tried.add(url)
        fetched = await self._fetcher.fetch(url, accept)
        kind = _KIND_OF_PART.get(part)
        if fetched.body is None:
            self.failures.append(f"{url}: {fetched.detail}")
            return
        if kind is None:
            entry = self._collected.add(fetched.body)
        else:
            entry = entry_of(kind, fetched.body)
            self._collected.keep(entry, fetched.body)
        if entry is None:
            self.failures.append(f"{url}: what came is of no kind that is known")
        else:
            self._note(entry)

    def _certificates(self, digest: str) -> tuple[str, ...]:
        """Return the certificates that an enrolment names, none where it is not at hand."""
        for entry in self._collected.of("enrolment"):
            if entry.digest == digest:
                try:
                    return parse_enrolment(self._collected.read(entry)).ek_certificates
                except FormatError:
                    break
        return ()

    def _note(self, entry: Entry) -> None:
        """Remember that a file is at hand, under the names that credentials use."""
        self._at_hand.add(("attachments", entry.digest))
        if entry.kind in ("did-document", "status-list", "key", "receipt"):
            self._at_hand.update(_names(entry, self._collected.read(entry)))


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
    if {"granularity", "slots"} <= value.keys():
        return "grid-data"
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
