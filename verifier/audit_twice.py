"""What may stand in a bundle once only: an inference's record, a TPM under one node, an accelerator at one time.

Each window and each credential is looked at after it was verified alone. Two nodes that show one device for the same
seconds count its energy twice, whoever of them has it.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from schemas.credential import GreenComputeCredential, GreenComputeWindowCredential
from schemas.subject import Claims
from schemas.window_header import WindowHeader
from verifier.claims.figures import figures_of, written
from verifier.enrolment import Enrolment
from verifier.errors import DuplicateWindowError, EvidenceMismatchError
from verifier.notices import Notice
from verifier.report import Finding, failed, warning

Claimed: TypeAlias = GreenComputeCredential | GreenComputeWindowCredential

_OWN_NAMES: Final = frozenset({"package", "node"})
"""Scopes whose meters have no name but the one that their machine gives them, such as ``package-0``."""


class _Used(NamedTuple):
    """When a node's window counted a device, in µs since 1970."""

    start_us: int
    end_us: int
    node_id: str
    scoped: bool


class _Told(NamedTuple):
    """What is remembered of a credential, for another one of the same record or window."""

    id: str
    issuer: str
    issued: str
    supersedes: str | None
    whose: tuple[str | None, ...]
    figures: bytes


class Twice:
    """Remembers what a bundle has shown, and tells what comes again. Windows come in each node's order."""

    def __init__(self) -> None:
        self._node_of: dict[str, str] = {}
        self._used: dict[str, list[_Used]] = defaultdict(list)
        self._claimed: dict[tuple[str, ...], _Told] = {}

    def window(self, header: WindowHeader, enrolment: Enrolment | None) -> Iterator[Finding]:
        """Yield why a window cannot be its node's beside those before it; one of which nothing is yielded is kept."""
        found = [*self._keys(header, enrolment), *self._devices(header)]
        yield from found
        if not found:
            self._keep(header)

    def credential(self, credential: Claimed) -> Iterator[Finding]:
        """Yield whether another credential of the same record, or of the same window, came before.

        Where both say the same, or one supersedes the other, it is a warning: it counts once. Else they refuse: a reader
        could count either.
        """
        told = _told(credential)
        for what in _names_of(credential):
            first = self._claimed.setdefault(what, told)
            if first is told:
                continue
            told_of = f"{told.id} is for the same {what[0]} as {first.id}"
            if _replaces(first, told) or _replaces(told, first) or _alike(first, told):
                yield warning(Notice.DUPLICATE_CREDENTIAL, f"{told_of}: it counts once")
            else:
                yield failed(DuplicateWindowError(f"{told_of}, and says something else of it"))
            return

    def _keys(self, header: WindowHeader, enrolment: Enrolment | None) -> Iterator[Finding]:
        keys = {"endorsement key": None if enrolment is None else enrolment.record.ek, "attestation key": header.ak}
        for what, name in keys.items():
            if name is None:
                continue
            node_id = self._node_of.setdefault(f"{what} {name}", header.node_id)
            if node_id != header.node_id:
                told = f"{what}: {name} stands for the nodes {node_id} and {header.node_id}; a TPM speaks for one"
                yield failed(EvidenceMismatchError(told))

    def _devices(self, header: WindowHeader) -> Iterator[Finding]:
        if header.simulated:
            return  # nobody measured it: simulators give their devices the same names everywhere
        for one in header.accelerators:
            used = self._used.get(one.uuid, [])
            place = bisect_left(used, (header.start_us,))
            # What was kept does not overlap, so that only its neighbours can.
            for other in used[max(0, place - 1) : place + 1]:
                named = other.scoped or one.scope not in _OWN_NAMES
                overlaps = other.start_us < header.end_us and header.start_us < other.end_us
                if other.node_id != header.node_id and named and overlaps:
                    told = f"{one.uuid} is counted by {other.node_id} and {header.node_id} for the same time"
                    yield failed(DuplicateWindowError(f"accelerator {told}"))

    def _keep(self, header: WindowHeader) -> None:
        if header.simulated:
            return
        shared: dict[bool, _Used] = {}
        for one in header.accelerators:
            scoped = one.scope not in _OWN_NAMES
            # One object for all the devices of a window: a bundle has many thousands of windows.
            used = shared.setdefault(scoped, _Used(header.start_us, header.end_us, header.node_id, scoped))
            insort(self._used[one.uuid], used)


def _names_of(credential: Claimed) -> Iterator[tuple[str, ...]]:
    """Yield what only one credential may be for."""
    if isinstance(credential, GreenComputeWindowCredential):
        yield "window", credential.credential_subject.window_digest
        return
    for entry in credential.evidence:
        if entry.window_digest is not None and entry.record_index is not None:
            yield "record", entry.window_digest, entry.record_index
        if entry.record_digest is not None:
            yield "record", entry.record_digest


def _told(credential: Claimed) -> _Told:
    subject: Claims = credential.credential_subject
    # Canonical decimals: equal figures have equal texts. Their digest alone is kept, for many thousands of credentials.
    figures = sorted((name, written(figure)) for name, figure in figures_of(subject).items())
    single = subject if isinstance(credential, GreenComputeCredential) else None
    return _Told(
        id=credential.id,
        issuer=credential.issuer,
        issued=credential.issuance_date,
        supersedes=subject.supersedes,
        whose=(getattr(single, "tenant_id", None), getattr(single, "tenant_commitment", None)),
        figures=hashlib.sha256(repr(figures).encode()).digest(),
    )


def _alike(one: _Told, other: _Told) -> bool:
    return (one.whose, one.figures) == (other.whose, other.figures)


def _replaces(new: _Told, old: _Told) -> bool:
    """Return whether one supersedes the other: its own issuer's, for the same tenant, and not in a circle."""
    in_circle = old.supersedes is not None and old.issued >= new.issued
    same = (new.issuer, new.whose) == (old.issuer, old.whose)
    return new.supersedes == old.id and new.id != old.id and same and not in_circle
