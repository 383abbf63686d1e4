"""Runs of another tool as records in the spool, each once.

    imports/codecarbon.jsonl    a line for each run that is in the spool or was: its inference id and its record's digest

A run is noted after its record is on disk. Where the process dies in between, the run is imported again: under the same
name in the spool, and with the same body, to which the issuer gives the same credential.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from agent.codecarbon import Refusal, Run
from agent.errors import SpoolError
from agent.files import held, make_folder, sync_folder
from agent.record import Labels, sign, unsigned_body
from agent.spool import Spool
from did.signers import Signer
from schemas import telemetry
from schemas.strict_json import JsonObject

_NAME_CHARACTERS: Final = 16
_CHANGED: Final = (
    "imported before, and it said something else then (another --model, --energy or --timezone, or the run went on): the "
    "first record stands; import runs when they have ended"
)


class _Line(Struct, frozen=True):
    inference_id: str
    digest: str


@dataclass(slots=True)
class Imported:
    """What became of runs."""

    new: list[Run] = field(default_factory=list)
    known: list[Run] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


class _Book:
    """Which runs are imported. ``open`` it to note more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._noted: int | None = None
        self.digests: dict[str, str] = {}

    def read(self) -> None:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return
        for text in content.split(b"\n"):
            # What a kill tore off, or a stranger wrote, is none: its run is imported again, to the same effect.
            with contextlib.suppress(msgspec.MsgspecError):
                line = msgspec.json.decode(text, type=_Line)
                self.digests.setdefault(line.inference_id, line.digest)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        new = not self._path.exists()
        self._noted = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if new:
                sync_folder(self._path.parent)
            yield
        finally:
            os.close(self._noted)
            self._noted = None

    def note(self, run: Run, digest: str) -> None:
        self.digests[run.inference_id] = digest
        if self._noted is not None:
            # A line of its own, also behind one that was torn off.
            os.write(self._noted, b"\n" + msgspec.json.encode(_Line(run.inference_id, digest)) + b"\n")
            os.fsync(self._noted)


def import_runs(
    runs: Iterable[Run], *, folder: Path, node_id: str, signer: Signer, spool: Spool, dry_run: bool = False
) -> Imported:
    """Put the records of ``runs`` into the spool, those that were there before left out, and return what was done.

    ``dry_run``: nothing is signed and nothing kept. Raises SpoolError where the disk or the spool is full (what was
    done until then stays, and the next import goes on), and SpoolBusyError where another import runs.
    """
    book = _Book(folder / "codecarbon.jsonl")
    if dry_run:
        book.read()
        return _import(runs, book, node_id, lambda *_: None)

    def keep(run: Run, body: JsonObject) -> None:
        spool.keep(_spool_name(run), sign(body, signer))

    try:
        make_folder(folder)
        with held(folder / "importing", "another import runs; wait for its end"), book.open():
            book.read()
            return _import(runs, book, node_id, keep)
    except OSError as error:
        raise SpoolError(f"{folder} cannot be used: {error.strerror}") from error


def _import(runs: Iterable[Run], book: _Book, node_id: str, keep: Callable[[Run, JsonObject], None]) -> Imported:
    done = Imported()
    for run in runs:
        body = unsigned_body(run.measurement, Labels(node_id, run.model_id, run.inference_id))
        digest, before = telemetry.body_digest(body), book.digests.get(run.inference_id)
        if before is None:
            keep(run, body)
            book.note(run, digest)
            done.new.append(run)
        elif before == digest:
            done.known.append(run)
        else:
            done.refused.append(Refusal(run.line, _CHANGED))
    return done


def _spool_name(run: Run) -> str:
    """Return the same name for the same run, by the end of its period as the names of all records are."""
    unique = hashlib.sha256(run.inference_id.encode()).hexdigest()[:_NAME_CHARACTERS]
    return f"{run.measurement.end_wall_ns:020d}-{unique}.json"
