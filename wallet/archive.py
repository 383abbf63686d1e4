"""The folder of held credentials: each file holds the exact bytes that were received, named by their digest.

When `keep` returns, the credential is on disk: it is written beside its place, fsynced, renamed, and
the folder is fsynced too. A credential kept twice is one file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from schemas import digests, strict_json
from schemas.strict_json import JsonObject
from wallet.errors import NotACredentialError, UnknownCredentialError


class HeldCredential(msgspec.Struct, frozen=True):
    """One held credential: the bytes as received, their digest, and the JSON in them."""

    digest: str
    raw: bytes
    document: JsonObject

    @property
    def id(self) -> str:
        """The credential's ``id``, or its digest where it has none."""
        value = self.document.get("id")
        return value if isinstance(value, str) else self.digest

    @property
    def types(self) -> list[str]:
        """The credential's types, ``VerifiableCredential`` left out."""
        value = self.document.get("type")
        names = value if isinstance(value, list) else [value]
        return [name for name in names if isinstance(name, str) and name != "VerifiableCredential"]

    @property
    def issuer(self) -> str:
        """The issuer's DID or URL."""
        value = self.document.get("issuer")
        if isinstance(value, dict):
            value = value.get("id")
        return value if isinstance(value, str) else ""

    def claim(self, name: str) -> str:
        """Return a member of ``credentialSubject`` as text, empty where it is absent."""
        subject = self.document.get("credentialSubject")
        value = subject.get(name) if isinstance(subject, dict) else None
        return value if isinstance(value, str) else ""


def read_credential(raw: bytes) -> HeldCredential:
    """Return the credential in ``raw``. Raises FormatError at the gate, NotACredentialError past it."""
    document = strict_json.parse_object(raw)
    types = document.get("type")
    names = types if isinstance(types, list) else [types]
    if "VerifiableCredential" not in names or not isinstance(document.get("proof"), dict | list):
        raise NotACredentialError("a credential has the type VerifiableCredential and a proof")
    return HeldCredential(digests.digest(raw), raw, document)


class Archive:
    """The held credentials of one wallet."""

    def __init__(self, folder: Path) -> None:
        """Hold credentials in ``folder``, which is made when the first one is kept."""
        self._folder = folder

    def keep(self, credential: HeldCredential) -> bool:
        """Write the credential durably; return whether it is new."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = self._folder / f"{credential.digest}.json"
        if target.exists():
            return False
        part = self._folder / f".{credential.digest}.{os.getpid()}.part"
        with part.open("wb") as file:
            file.write(credential.raw)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
        _sync_folder(self._folder)
        return True

    def all(self) -> Iterator[HeldCredential]:
        """Yield the held credentials in the order of their digests."""
        for path in sorted(self._folder.glob("u*.json")):
            yield read_credential(path.read_bytes())

    def find(self, name: str) -> HeldCredential:
        """Return the one credential with this id, inference id, digest, or beginning of a digest."""
        found = [held for held in self.all() if _answers_to(held, name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UnknownCredentialError(f"{len(found)} credentials answer to {name!r}: use an id or a longer digest")
        raise UnknownCredentialError(f"no credential answers to {name!r}: `green-wallet list` shows what is held")


def _answers_to(held: HeldCredential, name: str) -> bool:
    return name in (held.id, held.claim("inferenceId"), held.claim("jobId")) or (
        len(name) >= len("uEiXXXX") and held.digest.startswith(name)
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
