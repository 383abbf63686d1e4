"""What strangers' documents may cost in one verdict, and what was worked out for them already."""

from __future__ import annotations

import hashlib
import json
from typing import Final, NamedTuple, Protocol, runtime_checkable

from schemas.errors import GreenError
from schemas.strict_json import JsonObject
from verifier.errors import OverloadedError, ResourceLimitError
from verifier.rdf.canonicalize import Canonicalizer

MAX_CPU_S: Final = 10.0
"""CPU time of the workers for the credentials of one verdict, beside what each of them has free."""
FREE_CPU_S: Final = 0.01
"""CPU time of a document that counts for nothing: ordinary ones take 2 to 6 ms, a thousand of them draw on no budget."""
MAX_KEPT_BYTES: Final = 8 * 1024 * 1024
"""Canonical forms that are kept for the rest of a verdict."""


class Work:
    """How much longer the workers may work for one verdict.

    Each document has a limit of its own, and a presentation has a thousand documents.
    """

    def __init__(self, cpu_s: float = MAX_CPU_S) -> None:
        """Take the CPU time in seconds."""
        self._left_s = cpu_s

    def check(self) -> None:
        """Return if anything is left. Raises ResourceLimitError if not."""
        if self._left_s <= 0:
            raise ResourceLimitError("the credentials are too costly together; present fewer of them at once")

    def spend(self, cpu_s: float) -> None:
        """Count what one document took."""
        self._left_s -= max(0.0, cpu_s - FREE_CPU_S)


@runtime_checkable
class Metered(Protocol):
    """A Canonicalizer that can tell what a document cost."""

    def canonicalize_for(self, work: Work, document: JsonObject) -> bytes:
        """Return as Canonicalizer.canonicalize, having counted the CPU time in ``work``, also where it fails."""
        ...


class Forms:
    """The canonical forms of one verdict's documents: each worked out once, failures too, all within one budget."""

    def __init__(self, work: Work | None = None, *, max_kept_bytes: int = MAX_KEPT_BYTES) -> None:
        self._work = work or Work()
        self._room = max_kept_bytes
        self._known: dict[bytes, bytes | GreenError] = {}

    def form(self, engine: Canonicalizer, document: JsonObject) -> bytes:
        """Return what ``engine`` makes of a document. Raises as Canonicalizer, ResourceLimitError past the budget."""
        key = _key(document)
        found = self._known.get(key)
        if found is None:
            found = self._worked_out(engine, document)
            self._keep(key, found)
        if isinstance(found, GreenError):
            raise found.with_traceback(None)
        return found

    def _worked_out(self, engine: Canonicalizer, document: JsonObject) -> bytes | GreenError:
        self._work.check()
        try:
            if isinstance(engine, Metered):
                return engine.canonicalize_for(self._work, document)
            return engine.canonicalize(document)
        except OverloadedError:
            # Which says nothing about the document.
            raise
        except GreenError as error:
            return error

    def _keep(self, key: bytes, found: bytes | GreenError) -> None:
        size = len(found) if isinstance(found, bytes) else 0
        if size <= self._room:
            self._room -= size
            self._known[key] = found


class WithinBudget(NamedTuple):
    """A Canonicalizer that asks ``engine`` for what ``forms`` does not have, within its budget."""

    engine: Canonicalizer
    forms: Forms

    def canonicalize(self, document: JsonObject) -> bytes:
        """Return as Canonicalizer.canonicalize."""
        return self.forms.form(self.engine, document)


def _key(document: JsonObject) -> bytes:
    try:
        return hashlib.sha256(json.dumps(document).encode()).digest()
    except RecursionError as error:
        raise ResourceLimitError("the document nests too deeply") from error
