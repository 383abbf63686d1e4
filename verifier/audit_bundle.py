"""An audit bundle: one ZIP archive with all that a verdict over a period rests on, and a list of it.

Every file is named in ``manifest.json`` with its kind and the digest of its bytes. The manifest is nobody's
signature: it says what belongs there, so that what is missing or damaged can be named; what is in the files is
signed by issuers and nodes, and checked as if each had come alone. The archive is a stranger's: nothing in it has
a path, nothing is written to disk, and no file is read beyond the bytes that its kind may have.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from schemas import cmw, digests, enrolment_record, grid_data, opening_quote, receipt, strict_json
from verifier.audit_errors import BundleDamagedError, BundleError
from verifier.errors import ResourceLimitError, UsageError

MANIFEST: Final = "manifest.json"
MAX_FILES: Final = 60_000
"""Files of one bundle: without the 64-bit extension, a ZIP archive has no room for many more."""

MAX_BUNDLE_BYTES: Final = 2 * 1024**3
_MAX_MANIFEST_BYTES: Final = 32 * 1024 * 1024
_MAX_DIRECTORY_BYTES: Final = 16 * 1024 * 1024

# Text of credentials compresses ten times, status lists a hundred times: far from the thousand times of a bomb.
_MAX_RATIO: Final = 200
_FREE_BYTES: Final = 64 * 1024 * 1024

Kind: TypeAlias = Literal[
    "did-document",
    "status-list",
    "key",
    "enrolment",
    "boot-event",
    "ek-certificate",
    "nonce-log",
    "evidence",
    "grid-data",
    "window",
    "records",
    "receipt",
    "credential",
]
"""What a file is. The order is that in which they are read."""

MAX_BYTES_OF: Final[Mapping[Kind, int]] = {
    "did-document": 1024 * 1024,
    "status-list": 4 * 1024 * 1024,
    "key": 16 * 1024,
    "enrolment": enrolment_record.MAX_BYTES,
    "boot-event": opening_quote.MAX_BYTES,
    "ek-certificate": 64 * 1024,
    "nonce-log": 64 * 1024 * 1024,
    "evidence": cmw.MAX_EVIDENCE_BYTES,
    "grid-data": grid_data.MAX_BYTES,
    "window": strict_json.MAX_BYTES,
    "records": 64 * 1024 * 1024,
    "receipt": receipt.MAX_BYTES,
    "credential": strict_json.MAX_BYTES,
}
"""The most bytes that a file of each kind may have."""

_NAME: Final = re.compile(r"[a-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_END: Final = b"PK\x05\x06"
_END_64: Final = b"PK\x06\x07"
_END_BYTES: Final = 22
_MAX_COMMENT: Final = 65_535


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One file: its name in the archive, what it is, the digest and number of its bytes.

    ``of`` says what it belongs to: of a receipt the window's digest, of records their Merkle root.
    """

    name: str
    kind: Kind
    digest: str
    size: int
    of: str | None = None


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The list of what belongs to a bundle; ``created`` is when it was made, UTC in whole seconds."""

    v: Literal[1]
    created: str
    files: tuple[Entry, ...]


# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
_MANIFESTS: Final = msgspec.json.Decoder(Manifest)


@dataclass(frozen=True)
class Bundle:
    """An open bundle: its manifest, the digest of the whole archive, and the files that no manifest lists."""

    manifest: Manifest
    digest: str
    unlisted: tuple[str, ...]
    _archive: zipfile.ZipFile
    _members: Mapping[str, zipfile.ZipInfo]

    def has(self, entry: Entry) -> bool:
        """Return whether the archive has a file of that name."""
        return entry.name in self._members

    def read(self, entry: Entry) -> bytes:
        """Return a file's bytes. Raises BundleDamagedError: it is missing, too large, cannot be read, or is another."""
        member = self._members.get(entry.name)
        if member is None:
            raise BundleDamagedError(f"{entry.name}: it is missing from the archive")
        raw = _inflate(self._archive, member, min(entry.size, MAX_BYTES_OF[entry.kind]))
        if digests.digest(raw) != entry.digest:
            raise BundleDamagedError(f"{entry.name}: its bytes are not those that the manifest lists")
        return raw


@contextmanager
def open_bundle(path: Path, *, max_files: int = MAX_FILES) -> Iterator[Bundle]:
    """Give the bundle in a file.

    Raises UsageError where the file cannot be read, BundleError where it is no bundle or its directory is damaged,
    ResourceLimitError where it is larger, or has more files, than what is read.
    """
    # What the caller does with the bundle may fail too, and is not to be told as the bundle's fault.
    with ExitStack() as stack:
        yield _opened(path, stack, max_files)


def _opened(path: Path, stack: ExitStack, max_files: int) -> Bundle:
    try:
        file = stack.enter_context(path.open("rb"))
        size = _check_directory(file.seek(0, 2), file.seek, file.read)
        file.seek(0)
        digest = digests.encode(hashlib.file_digest(file, "sha256").digest())
        archive = stack.enter_context(zipfile.ZipFile(file))
        return _bundle(archive, _members_of(archive, size, max_files), digest)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, UnicodeDecodeError) as error:
        raise BundleError(f"{path}: the archive is cut off or damaged: {str(error)[:100]}") from error


def _bundle(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], digest: str) -> Bundle:
    listed = members.get(MANIFEST)
    if listed is None:
        raise BundleError(f"{MANIFEST} is missing: this is no audit bundle, or not the whole of one")
    try:
        manifest = _MANIFESTS.decode(_inflate(archive, listed, _MAX_MANIFEST_BYTES))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{MANIFEST} cannot be read: {ascii(str(error))[1:120]}") from error
    names = [entry.name for entry in manifest.files]
    if len(set(names)) != len(names) or not all(_NAME.fullmatch(name) and name != MANIFEST for name in names):
        raise BundleError(f"{MANIFEST}: a file stands there twice, or has a name that none may have")
    return Bundle(manifest, digest, tuple(sorted(set(members) - {*names, MANIFEST})), archive, members)


def _check_directory(size: int, seek: Callable[[int], int], read: Callable[[int], bytes]) -> int:
    """Return the archive's size, once its directory is known to be small enough to be read at all."""
    if size > MAX_BUNDLE_BYTES:
        raise ResourceLimitError(f"the bundle has {size} bytes; at most {MAX_BUNDLE_BYTES} are read")
    seek(max(0, size - _END_BYTES - _MAX_COMMENT - 20))
    tail = read(_END_BYTES + _MAX_COMMENT + 20)
    end = tail.rfind(_END)
    if end < 0 or len(tail) - end < _END_BYTES:
        raise BundleError(
            "the archive's directory, which stands at its end, is missing: the file is cut off, or no ZIP "
            "(a single document is checked by green-verifier verify)"
        )
    if _END_64 in tail[max(0, end - 20) : end]:
        raise ResourceLimitError(f"the archive has the 64-bit form; at most {MAX_FILES} files are read")
    if int.from_bytes(tail[end + 12 : end + 16], "little") > _MAX_DIRECTORY_BYTES:
        raise ResourceLimitError("the archive's directory is larger than that of any bundle")
    return size


def _members_of(archive: zipfile.ZipFile, size: int, max_files: int) -> dict[str, zipfile.ZipInfo]:
    """Return the files by name. Raises BundleError and ResourceLimitError for what no bundle has."""
    found = archive.infolist()
    if len(found) > max_files + 1:
        raise ResourceLimitError(f"{len(found)} files; at most {max_files} are read")
    members = {member.filename: member for member in found}
    if len(members) != len(found):
        raise BundleError("a name stands twice in the archive: two readers could take two different files for it")
    for member in found:
        if not _NAME.fullmatch(member.filename):
            raise BundleError(f"{ascii(member.filename)[:80]}: files of a bundle have plain names, without a path")
        if member.flag_bits & 0x1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BundleError(f"{member.filename}: it is encrypted, or compressed in a way that is not read here")
    inflated = sum(member.file_size for member in found)
    if inflated > max(_FREE_BYTES, _MAX_RATIO * size):
        raise ResourceLimitError(f"the bundle inflates to {inflated} bytes, more than {_MAX_RATIO} times its own size")
    return members


def _inflate(archive: zipfile.ZipFile, member: zipfile.ZipInfo, max_bytes: int) -> bytes:
    if member.file_size > max_bytes:
        raise BundleDamagedError(f"{member.filename}: {member.file_size} bytes, more than it has or may have")
    try:
        with archive.open(member) as file:
            # One byte more than is said would be the beginning of a bomb.
            raw = file.read(max_bytes + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise BundleDamagedError(f"{member.filename}: it cannot be read: {str(error)[:100]}") from error
    if len(raw) > max_bytes:
        raise BundleDamagedError(f"{member.filename}: more bytes than it has or may have")
    return raw


def write_bundle(
    path: Path, files: Mapping[Entry, bytes | Path], *, created: str, max_files: int = MAX_FILES
) -> Manifest:
    """Write a bundle to ``path``, which must not exist, and return its manifest. Raises UsageError.

    What lies in a file is read when its turn comes. The same files make the same bytes, whenever they are written.
    """
    manifest = Manifest(v=1, created=created, files=tuple(sorted(files, key=lambda entry: entry.name)))
    if len(manifest.files) > max_files:
        raise UsageError(f"{len(manifest.files)} files; a bundle has at most {max_files}: make one a week or a node")
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    try:
        with path.open("xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=False) as archive:
            _add(archive, MANIFEST, content)
            for entry in manifest.files:
                _add(archive, entry.name, content_of(entry, files[entry]))
    except FileExistsError as error:
        raise UsageError(f"{path} exists already; a bundle is never overwritten") from error
    except (OSError, zipfile.LargeZipFile) as error:
        raise UsageError(f"{path} cannot be written: {error}") from error
    return manifest


def content_of(entry: Entry, content: bytes | Path) -> bytes:
    """Return the bytes of a file to be packed. Raises UsageError where it was changed meanwhile, and OSError."""
    if isinstance(content, bytes):
        return content
    with content.open("rb") as file:
        raw = file.read(entry.size + 1)
    if digests.digest(raw) != entry.digest:
        raise UsageError(f"{content} was changed while the bundle was made; make it again")
    return raw


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    # A date of its own would make every archive another one; this is the earliest that the format has.
    member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    archive.writestr(member, content)


def entry_of(kind: Kind, content: bytes, *, of: str | None = None) -> Entry:
    """Return the entry of a file, named by its kind and its digest."""
    digest = digests.digest(content)
    suffix = {"ek-certificate": "der", "records": "ndjson", "nonce-log": "ndjson"}.get(kind, "json")
    return Entry(name=f"{kind}-{digest[5:27]}.{suffix}", kind=kind, digest=digest, size=len(content), of=of)
