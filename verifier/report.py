"""What a verification found: one Check a step, one Report a document.

An outcome is ``verified``, ``refused`` or ``inconclusive``. A check that
could not be made is never counted in the document's favour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from schemas import jcs
from schemas.errors import GreenError, problem_type
from verifier.errors import FetchFailedError, OverloadedError, StatusRetrievalError
from verifier.grid_used import GridUsed
from verifier.notices import Notice
from verifier.policy import Policy


class Outcome(StrEnum):
    """The three ways in which a verification ends."""

    VERIFIED = "verified"
    REFUSED = "refused"
    INCONCLUSIVE = "inconclusive"


class Result(StrEnum):
    """How one check ended. ``skipped`` was not made: for want of an earlier one, or of anything to check."""

    PASSED = "passed"
    WARNING = "warning"
    SKIPPED = "skipped"
    INCONCLUSIVE = "inconclusive"
    FAILED = "failed"


_SEVERITY: Final = (Result.SKIPPED, Result.PASSED, Result.WARNING, Result.INCONCLUSIVE, Result.FAILED)

MAX_DETAIL: Final = 500
"""Characters of one finding's words: what a document says of itself is repeated in them, however long it is."""
MAX_LISTED: Final = 4 * 1024 * 1024
"""Characters that the lists of findings take in one report; in all reports on the credentials inside, as many again."""
_FINDING_CHARACTERS: Final = 64
_NOT_LISTED: Final = "are not listed: the report is long enough"


class Spec(msgspec.Struct, frozen=True):
    """The rule that a step applies: its name, and where it can be read."""

    name: str
    url: str


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that a step found, in plain words; ``problem`` names what stands in the way, or a warning."""

    result: Result
    detail: str
    problem: str | None = None

    def __post_init__(self) -> None:
        """Cut words that are too long: they repeat what a stranger wrote, for each of a thousand credentials."""
        if len(self.detail) > MAX_DETAIL:
            msgspec.structs.force_setattr(self, "detail", cut(self.detail, MAX_DETAIL))


class Check(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The result of one step: that of its worst finding. ``findings`` lists all where there are several."""

    step: str
    result: Result
    detail: str
    spec: Spec
    problem: str | None = None
    findings: tuple[Finding, ...] = ()


class EvidenceUsed(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One fetched document that the verdict rests on, or the reason why it is absent."""

    url: str
    origin: str
    retrieved_at: str | None = None
    digest: str | None = None
    problem: str | None = None
    detail: str | None = None


class Report(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The verdict on one document.

    ``problem`` is the first of the refusals (or, if there is none, of what was inconclusive) in the order
    of ``rank``. ``id``, ``issuer`` and ``holder`` are what the document says of itself. ``subject`` holds the
    claims of the validated shape only, ``grid`` the carbon intensity in them and what was seen behind it. ``at`` is the time for which the verdict was made. ``credentials``
    are the reports on the credentials inside a presentation, or on a receipt's window; their evidence and policy are
    the outer report's. ``warned_of`` names each kind of warning in the report and in those inside, once: whoever says
    "verified" in a line says these with it.
    """

    outcome: Outcome
    kind: str
    document_digest: str
    at: str
    checks: tuple[Check, ...]
    id: str | None = None
    issuer: str | None = None
    holder: str | None = None
    problem: str | None = None
    detail: str | None = None
    subject: Mapping[str, str] = {}
    grid: GridUsed | None = None
    evidence: tuple[EvidenceUsed, ...] = ()
    policy: Policy | None = None
    credentials: tuple[Report, ...] = ()
    warned_of: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Name the warnings, whoever makes the report, or makes one anew with others inside."""
        inside = (name for report in self.credentials for name in report.warned_of)
        msgspec.structs.force_setattr(self, "warned_of", tuple(dict.fromkeys((*names_of(self.warnings), *inside))))

    def check(self, step: str) -> Check:
        """Return the check of a step. Raises KeyError for a step that this report does not have."""
        for check in self.checks:
            if check.step == step:
                return check
        raise KeyError(step)

    @property
    def problems(self) -> tuple[Finding, ...]:
        """Every finding that stands in the way, in the order of ``rank``; those of inner credentials last."""
        own = [finding for _, finding in obstacles(self.checks)]
        inner = [finding for report in self.credentials for finding in report.problems]
        return (*own, *inner)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Every warning of the report's own steps."""
        return tuple(f for check in self.checks for f in findings_of(check) if f.result is Result.WARNING)

    def to_json(self) -> bytes:
        """Return the canonical JSON bytes (RFC 8785): equal reports have equal bytes."""
        return jcs.canonical_bytes(msgspec.to_builtins(self))


class Space:
    """How many characters the lists of findings may still take in one report.

    With it, no document makes a report much longer than itself: each check has one summary of at most MAX_DETAIL,
    and all lists of findings together take MAX_LISTED.
    """

    def __init__(self, characters: int = MAX_LISTED) -> None:
        self._left = characters

    def listed(self, found: Sequence[Finding]) -> tuple[Finding, ...]:
        """Return the findings to list, in order; where they do not all fit, the worst of them, and how many are left out.

        A name that is warned of is listed all the same, without the words: none may be hidden behind many others.
        """
        if len(found) < 2:  # noqa: PLR2004 - a single finding is the check's summary
            return ()
        kept: set[int] = set()
        for place in sorted(range(len(found)), key=lambda place: -_SEVERITY.index(found[place].result)):
            self._left -= len(found[place].detail) + _FINDING_CHARACTERS
            if self._left < 0:
                break
            kept.add(place)
        listed = [finding for place, finding in enumerate(found) if place in kept]
        # The check's summary is one of the worst, and counts where nothing is listed.
        worst = listed or [max(found, key=lambda finding: _SEVERITY.index(finding.result))]
        unnamed = [name for name in names_of(found) if name not in names_of(worst)]
        if not kept and not unnamed:
            return ()
        rest = len(found) - len(worst)
        more = [skipped(f"{rest} more findings of this step {_NOT_LISTED}")] if rest else []
        return (
            *worst,
            *(Finding(Result.WARNING, f"warnings of this name {_NOT_LISTED}", name) for name in unnamed),
            *more,
        )


def cut(text: str, most: int) -> str:
    """Return at most ``most`` characters of a text, the last one an ellipsis where it was longer."""
    return text if len(text) <= most else text[: most - 1] + "…"


def names_of(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return what the warnings among the findings are named, each name once, in order."""
    return tuple(dict.fromkeys(found.problem or "" for found in findings if found.result is Result.WARNING))


def passed(detail: str) -> Finding:
    """Return a finding that something holds."""
    return Finding(Result.PASSED, detail)


def warning(notice: Notice, detail: str) -> Finding:
    """Return a finding that the reader should know, and that stands in nobody's way."""
    return Finding(Result.WARNING, detail, notice.value)


def skipped(detail: str) -> Finding:
    """Return a finding that nothing was checked, and why."""
    return Finding(Result.SKIPPED, detail)


def undecided(notice: Notice, detail: str) -> Finding:
    """Return a finding that something could not be checked: the outcome cannot be ``verified``."""
    return Finding(Result.INCONCLUSIVE, detail, notice.value)


def failed(error: GreenError) -> Finding:
    """Return a finding that refuses the document."""
    return Finding(Result.FAILED, error.detail, error.name)


def finding_of(error: GreenError) -> Finding:
    """Return the finding of an error that a step raised.

    What could not be had, or found no room, says nothing against the document, and nothing for it:
    inconclusive. Every other error refuses.
    """
    if isinstance(error, FetchFailedError | StatusRetrievalError | OverloadedError):
        return Finding(Result.INCONCLUSIVE, error.detail, error.name)
    return failed(error)


def conclude(step: str, spec: Spec, findings: Sequence[Finding], space: Space | None = None) -> Check:
    """Return the check of a step from what it found: the worst result, with the first finding of that kind.

    All findings are listed beside it, as far as there is ``space``.
    """
    # A step that finds nothing to say has not shown that anything holds.
    found = tuple(findings) or (undecided(Notice.NOT_CHECKED, "the step came to no finding"),)
    worst = max(found, key=lambda finding: _SEVERITY.index(finding.result))
    return Check(
        step=step,
        result=worst.result,
        detail=worst.detail,
        spec=spec,
        problem=worst.problem,
        findings=(space or Space()).listed(found),
    )


def findings_of(check: Check) -> tuple[Finding, ...]:
    """Return all findings of a check; its own summary where it had a single one."""
    return check.findings or (Finding(check.result, check.detail, check.problem),)


# Gate, parse, resource limit, context, schema, unsigned claim, DID and key,
# proof, validity, status, claims, policy.
_ORDER: Final = {
    "parse": 0,
    "context": 2,
    "model": 3,
    "schema": 4,
    "issuer-key": 6,
    "holder-key": 6,
    "proof": 7,
    "challenge": 8,
    "credentials": 9,
    "window": 9,
    "validity": 10,
    "status": 11,
    "claims": 12,
    "evidence": 13,
    "grid": 13,
    "inclusion": 13,
    "sequence": 13,
    "holder": 14,
    "tenant": 14,
    "double-counting": 15,
    "trusted-issuer": 16,
    "assurance": 17,
}
_RANK_OF_PROBLEM: Final = {"RESOURCE_LIMIT": 1, "TYPE_MISMATCH": 1, "UNSIGNED_CLAIM": 5}


def obstacles(checks: Iterable[Check]) -> list[tuple[str, Finding]]:
    """Return (step, finding) of all that refuses, then of all that is inconclusive, each in the order of ``rank``."""
    found = [
        (check.step, finding)
        for check in checks
        for finding in findings_of(check)
        if finding.result in {Result.FAILED, Result.INCONCLUSIVE}
    ]
    return sorted(found, key=lambda item: (item[1].result is not Result.FAILED, rank(*item)))


def rank(step: str, finding: Finding) -> int:
    """Return the place of a finding in the order of refusals; a smaller one is named first."""
    # An absent signature is no matter of the shape: it is named where a false one would be.
    if finding.problem == "NO_PROOF":
        return _ORDER["proof"]
    return _RANK_OF_PROBLEM.get(finding.problem or "", _ORDER[step])


def outcome_of(checks: Iterable[Check], essential: Iterable[str]) -> Outcome:
    """Return the outcome of all checks together.

    ``essential`` names the steps that must have been made: if one of them is missing or was skipped, the
    outcome is never ``verified``, whatever the others say.
    """
    results = {check.step: check.result for check in checks}
    if Result.FAILED in results.values():
        return Outcome.REFUSED
    made = all(results.get(step) in {Result.PASSED, Result.WARNING} for step in essential)
    if Result.INCONCLUSIVE in results.values() or not made:
        return Outcome.INCONCLUSIVE
    return Outcome.VERIFIED


def problem_document(finding: Finding) -> dict[str, str]:
    """Return the RFC 9457 problem document of a finding: its type, its name in words, and the detail."""
    name = finding.problem or Notice.NOT_CHECKED.value
    return {"type": problem_type(name), "title": name.replace("_", " ").capitalize(), "detail": finding.detail}
