"""Evidence in a folder: what an auditor was handed, or what ``--save-evidence`` kept.

Every file is recognized by what it is, never by its name, so a folder made by hand works too. ``evidence.json``,
where there is one, adds when and from where each file was fetched, and which fetches failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, get_args

import msgspec

from did.errors import DidError
from did.jwk import parse_jwk
from schemas import digests, strict_json, times
from schemas.errors import FormatError
from schemas.receipt import parse_receipt
from schemas.strict_json import JsonObject
from schemas.window_record import decode_records
from verifier.document import Kind, kind_of, strings
from verifier.document import identifier as issuer_of
from verifier.errors import UsageError
from verifier.evidence import Evidence, Fetched, Part, name_of_list

MANIFEST: Final = "evidence.json"
MAX_FILES: Final = 2000
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
_STATUS_LIST_TYPES: Final = frozenset({"StatusList2021Credential", "BitstringStatusListCredential"})


class _Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the manifest: what ``Fetched`` knows, with a file's name in place of the body."""

    part: Part
    name: str
    url: str
    retrieved_at: str | None = None
    file: str | None = None
    media_type: str | None = None
    problem: str | None = None
    detail: str | None = None


class _Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The file ``evidence.json``."""

    version: int
    entries: tuple[_Entry, ...]


def load_folder(folder: Path) -> Evidence:
    """Return the evidence in ``folder``, each file by what it is; origin ``folder``.

    A DID document counts under its ``id``, a status list and a window's credential under their ``id``, a JWK under
    its thumbprint URI, a receipt under its record's leaf hash, a window's records under their Merkle root, every file
    also under the digest of its bytes. Of two versions of a status list the one issued
    later counts, of two DID documents the one retrieved later. A list that the manifest says was remembered is
    not offered: it counts where it is the later one. Raises UsageError if it cannot be read.
    """
    try:
        manifest = _read_manifest(folder)
        files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != MANIFEST)[:MAX_FILES]
        found = [item for path in files for item in _recognize(path, manifest)]
    except OSError as error:
        raise UsageError(f"the evidence folder {folder} cannot be read: {error.strerror}") from error
    parts: dict[Part, dict[str, Fetched]] = {part: {} for part in get_args(Part)}
    for entry in manifest.entries:
        if entry.file is None:
            parts[entry.part][entry.name] = _fetched(entry, None)
    for part, name, _, fetched in sorted(found, key=lambda item: item[2]):
        parts[part][name] = fetched
    return Evidence(**parts)


def save(evidence: Evidence, folder: Path) -> None:
    """Write ``evidence`` so that load_folder gives it back.

    Evidence of several documents may lie in one folder: the manifest keeps what it listed, but for what is
    now known better. Of two versions of a status list the later one counts from then on; whoever wants to
    replay an earlier verdict keeps it in a folder of its own. Raises UsageError if the folder cannot be written.
    """
    entries: list[_Entry] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = {(part, name) for part, name, _ in evidence.items()}
        entries += [entry for entry in _read_manifest(folder).entries if (entry.part, entry.name) not in known]
        for part, name, fetched in evidence.items():
            file = None if fetched.body is None else _file_name(part, fetched.body)
            if file is not None and fetched.body is not None:
                (folder / file).write_bytes(fetched.body)
            entries.append(_entry(part, name, fetched, file))
        content = msgspec.json.encode(_Manifest(version=1, entries=tuple(entries)))
        (folder / MANIFEST).write_bytes(msgspec.json.format(content, indent=2) + b"\n")
    except OSError as error:
        raise UsageError(f"the evidence cannot be saved in {folder}: {error.strerror}") from error


def _file_name(part: Part, body: bytes) -> str:
    # A name by content: the same document fetched for several verifications is one file.
    kind = {
        "did_documents": "did",
        "status_lists": "status-list",
        "attachments": "attachment",
        "credentials": "window",
        "remembered": "known-list",
    }[part]
    return f"{kind}-{digests.digest(body)[5:21]}.json"


def _entry(part: Part, name: str, fetched: Fetched, file: str | None) -> _Entry:
    return _Entry(
        part=part,
        name=name,
        url=fetched.url,
        retrieved_at=fetched.retrieved_at,
        file=file,
        media_type=fetched.media_type,
        problem=fetched.problem,
        detail=fetched.detail,
    )


def _read_manifest(folder: Path) -> _Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        return _Manifest(version=1, entries=())
    try:
        return msgspec.convert(strict_json.parse(path.read_bytes()), _Manifest)
    except (FormatError, msgspec.ValidationError) as error:
        raise UsageError(f"{path} is not a list of evidence: {error}") from error


def _recognize(path: Path, manifest: _Manifest) -> Iterator[tuple[Part, str, str, Fetched]]:
    """Yield (part, name, age to compare versions by, content) of a file; nothing for one that is too large."""
    if path.stat().st_size > MAX_FILE_BYTES:
        return
    body = path.read_bytes()
    entry = next((entry for entry in manifest.entries if entry.file == path.name), None)
    if entry is None:
        modified = times.render_seconds(datetime.fromtimestamp(path.stat().st_mtime, tz=UTC))
        entry = _Entry(part="attachments", name="", url=path.name, retrieved_at=modified)
    fetched = _fetched(entry, body)
    age = entry.retrieved_at or ""
    yield "attachments", digests.digest(body), age, fetched
    try:
        value = strict_json.parse_object(body, max_bytes=MAX_FILE_BYTES)
    except FormatError:
        yield from _records(body, age, fetched)
        return
    identifier = value.get("id")
    if isinstance(identifier, str) and identifier.startswith("did:"):
        yield "did_documents", identifier, age, fetched
    elif isinstance(identifier, str) and _STATUS_LIST_TYPES & set(strings(value.get("type"))):
        issued = str(value.get("issuanceDate", value.get("validFrom", "")))
        if entry.part == "remembered":
            yield "remembered", name_of_list(issuer_of(value.get("issuer")) or "", identifier), issued, fetched
        else:
            yield "status_lists", identifier, issued, fetched
    elif kind_of(value) is Kind.WINDOW and isinstance(identifier, str):
        yield "credentials", identifier, str(value.get("issuanceDate", "")), fetched
    elif kind_of(value) is Kind.RECEIPT:
        yield from _receipt(body, age, fetched)
    elif "kty" in value:
        yield from _key(value, age, fetched)


def _key(value: JsonObject, age: str, fetched: Fetched) -> Iterator[tuple[Part, str, str, Fetched]]:
    try:
        yield "attachments", parse_jwk(value).thumbprint_uri, age, fetched
    except DidError:
        return


def _receipt(body: bytes, age: str, fetched: Fetched) -> Iterator[tuple[Part, str, str, Fetched]]:
    try:
        yield "attachments", parse_receipt(body).record_digest, age, fetched
    except FormatError:
        return


def _records(body: bytes, age: str, fetched: Fetched) -> Iterator[tuple[Part, str, str, Fetched]]:
    """Yield the records of a window, one a line; anything else is a file of no kind that is known."""
    try:
        yield "attachments", decode_records(body).merkle_root, age, fetched
    except FormatError:
        return


def _fetched(entry: _Entry, body: bytes | None) -> Fetched:
    return Fetched(
        url=entry.url,
        origin="folder",
        retrieved_at=entry.retrieved_at,
        body=body,
        media_type=entry.media_type,
        problem=entry.problem,
        detail=entry.detail,
    )
