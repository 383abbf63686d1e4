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
from verifier.document import Kind, kind_of, objects, strings
from verifier.document import identifier as issuer_of
from verifier.errors import FetchFailedError, UsageError
from verifier.evidence import Evidence, Fetched, Part, name_of_list, name_of_records
from verifier.whole_files import read_whole, replace_whole

MANIFEST: Final = "evidence.json"
MAX_FILES: Final = 2000
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
MAX_FOLDER_BYTES: Final = 256 * 1024 * 1024
"""Of all files together that are read; larger ones than MAX_FILE_BYTES are not."""

MAX_MANIFEST_BYTES: Final = 16 * 1024 * 1024
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
    not offered: it counts where it is the later one. Raises UsageError if it cannot be read or holds too much:
    what was left out might be the list that revokes.
    """
    try:
        manifest = _read_manifest(folder)
        files = {entry.file: entry for entry in reversed(manifest.entries)}
        found = [item for path in _files(folder) for item in _recognize(path, files.get(path.name))]
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
    replay an earlier verdict keeps it in a folder of its own. What was never asked for, since it lay beyond what a
    verification may fetch, is no evidence of anything and is left out. Each file is replaced at once, and links in
    the folder are not followed. Raises UsageError if the folder cannot be written.
    """
    kept = [(part, name, fetched) for part, name, fetched in evidence.items() if not _never_asked_for(fetched)]
    entries: list[_Entry] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = {(part, name) for part, name, _ in kept}
        entries += [entry for entry in _read_manifest(folder).entries if (entry.part, entry.name) not in known]
        for part, name, fetched in kept:
            file = None if fetched.body is None else _file_name(part, fetched.body)
            if file is not None and fetched.body is not None:
                replace_whole(folder / file, fetched.body)
            entries.append(_entry(part, name, fetched, file))
        content = msgspec.json.encode(_Manifest(version=1, entries=tuple(entries)))
        replace_whole(folder / MANIFEST, msgspec.json.format(content, indent=2) + b"\n")
    except OSError as error:
        raise UsageError(f"the evidence cannot be saved in {folder}: {error.strerror}") from error


def _never_asked_for(fetched: Fetched) -> bool:
    failed = fetched.body is None and fetched.problem == FetchFailedError.name
    return failed and fetched.origin == "network" and fetched.retrieved_at is None


def _files(folder: Path) -> list[Path]:
    """Return the files to read, in a fixed order. Raises UsageError where they are too many, and OSError."""
    found, size = [], 0
    for path in folder.iterdir():
        if path.is_file() and path.name != MANIFEST and path.stat().st_size <= MAX_FILE_BYTES:
            found.append(path)
            size += path.stat().st_size
        if len(found) > MAX_FILES or size > MAX_FOLDER_BYTES:
            raise UsageError(
                f"the evidence folder {folder} holds more than {MAX_FILES} files or {MAX_FOLDER_BYTES} bytes: "
                "keep the evidence of each verification in a folder of its own"
            )
    return sorted(found)


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
        raw = read_whole(path, max_bytes=MAX_MANIFEST_BYTES)
        return msgspec.convert(strict_json.parse(raw, max_bytes=MAX_MANIFEST_BYTES), _Manifest)
    except (FormatError, msgspec.ValidationError) as error:
        raise UsageError(f"{path} is not a list of evidence: {error}") from error


def _recognize(path: Path, entry: _Entry | None) -> Iterator[tuple[Part, str, str, Fetched]]:
    """Yield (part, name, age to compare versions by, content) of a file; ``entry`` is its line in the manifest."""
    body = read_whole(path, max_bytes=MAX_FILE_BYTES)
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
            name = name_of_list(issuer_of(value.get("issuer")) or "", identifier, _purpose(value))
            yield "remembered", name, issued, fetched
        else:
            yield "status_lists", identifier, issued, fetched
    elif kind_of(value) is Kind.WINDOW and isinstance(identifier, str):
        yield "credentials", identifier, str(value.get("issuanceDate", "")), fetched
    elif kind_of(value) is Kind.RECEIPT:
        yield from _receipt(body, age, fetched)
    elif "kty" in value:
        yield from _key(value, age, fetched)
    else:
        # A single record is an object as well.
        yield from _records(body, age, fetched)


def _purpose(listed: JsonObject) -> str:
    return next((str(subject.get("statusPurpose")) for subject in objects(listed.get("credentialSubject"))), "")


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
        yield "attachments", name_of_records(decode_records(body).merkle_root), age, fetched
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
