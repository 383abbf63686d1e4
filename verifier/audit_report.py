"""What the check of an audit bundle found: one finding a matter, sums a node, and what was not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from schemas import jcs
from verifier.policy import Policy
from verifier.report import Finding, Outcome, Result, names_of

MAX_FINDINGS: Final = 10_000
"""Findings of each kind that a report lists; of more it says how many there are."""

_LISTED: Final = (Result.FAILED, Result.INCONCLUSIVE, Result.WARNING)


class AuditFinding(Struct, frozen=True, omit_defaults=True):
    """One matter: how it stands, in words, its problem's name, and which file or window it is about.

    ``times`` is how often the same was found; ``about`` is then the first.
    """

    result: Result
    about: str
    detail: str
    problem: str | None = None
    times: int = 1


class Files(Struct, frozen=True, kw_only=True):
    """The files of a bundle: how many it lists, which of them are missing or damaged, which stand there besides."""

    listed: int
    missing: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()


class Counts(Struct, frozen=True, kw_only=True):
    """How many of one kind there are, and how each ended; ``not_counted`` are withdrawn by their issuer, and hold else."""

    total: int = 0
    verified: int = 0
    refused: int = 0
    inconclusive: int = 0
    not_counted: int = 0


class NodeSummary(Struct, frozen=True, kw_only=True):
    """The verified windows of one node: first and last, the time they cover, and exact sums over their claims.

    ``missing_windows``: numbers between the first and the last that are not there; ``windows_not_counted``: those that
    are, and are withdrawn by their issuer. ``uncovered_seconds``: time
    between the first window's start and the last one's end that no verified window covers. ``sums``: by the terms of
    the vocabulary, as decimal strings; ``records``: leaves of all their trees.
    """

    node_id: str
    windows: int
    first_sequence: int
    last_sequence: int
    missing_windows: int
    period_start: str
    period_end: str
    uncovered_seconds: str
    records: int
    assurances: tuple[str, ...]
    sums: Mapping[str, str]
    windows_not_counted: int = 0


class AuditReport(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The verdict on a bundle at the time ``at``.

    ``created`` is when the bundle says it was made. ``evidence_missing`` names what the windows' verification asked
    for and the bundle does not have: DID documents, status lists, keys, enrolment records. ``problem`` and ``detail``
    are those of the first finding that stands in the way. Passed findings are counted, not listed. ``warned_of`` names
    each kind of warning once, also of those that are left out of ``findings``.
    """

    outcome: Outcome
    bundle_digest: str
    created: str
    at: str
    files: Files
    windows: Counts
    receipts: Counts
    credentials: Counts
    nodes: tuple[NodeSummary, ...]
    kind: str = "audit bundle"
    findings: tuple[AuditFinding, ...] = ()
    findings_left_out: int = 0
    evidence_missing: tuple[str, ...] = ()
    problem: str | None = None
    detail: str | None = None
    policy: Policy | None = None
    warned_of: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """Return the canonical JSON bytes (RFC 8785): equal reports have equal bytes."""
        return jcs.canonical_bytes(msgspec.to_builtins(self))


class Findings:
    """The findings of an audit as they come in. What passed is not kept; what is said again is counted."""

    def __init__(self) -> None:
        self._kept: dict[Result, dict[tuple[str | None, str], AuditFinding]] = {result: {} for result in _LISTED}
        self._left_out = 0
        self._warned_of: dict[str, None] = {}

    def add(self, about: str, found: Iterable[Finding]) -> None:
        """Keep what should be known about a file or a window."""
        for finding in found:
            kept = self._kept.get(finding.result)
            if kept is None:
                continue
            self._warned_of |= dict.fromkeys(names_of([finding]))
            said = (finding.problem, finding.detail)
            before = kept.get(said)
            if before is not None:
                kept[said] = msgspec.structs.replace(before, times=before.times + 1)
            elif len(kept) < MAX_FINDINGS:
                kept[said] = AuditFinding(finding.result, about, finding.detail, finding.problem)
            else:
                self._left_out += 1

    @property
    def outcome(self) -> Outcome:
        """REFUSED where anything failed, INCONCLUSIVE where anything could not be checked, else VERIFIED."""
        if self._kept[Result.FAILED]:
            return Outcome.REFUSED
        return Outcome.INCONCLUSIVE if self._kept[Result.INCONCLUSIVE] else Outcome.VERIFIED

    @property
    def first(self) -> AuditFinding | None:
        """The first finding that refuses, else the first that is inconclusive."""
        return next((one for one in self.kept if one.result is not Result.WARNING), None)

    @property
    def kept(self) -> tuple[AuditFinding, ...]:
        """All that are listed: what fails first, then what is inconclusive, then warnings, each in the order found."""
        return tuple(one for result in _LISTED for one in self._kept[result].values())

    @property
    def warned_of(self) -> tuple[str, ...]:
        """The names of all warnings that came in, each once."""
        return tuple(self._warned_of)

    @property
    def left_out(self) -> int:
        """How many there are beyond those listed."""
        return self._left_out


def count(outcomes: Iterable[Outcome | None]) -> Counts:
    """Return how many there are of each outcome; None stands for what is withdrawn, and holds else."""
    found = list(outcomes)
    return Counts(
        total=len(found),
        verified=found.count(Outcome.VERIFIED),
        refused=found.count(Outcome.REFUSED),
        inconclusive=found.count(Outcome.INCONCLUSIVE),
        not_counted=found.count(None),
    )
