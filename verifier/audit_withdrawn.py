"""Credentials of a bundle that their issuer revoked or suspended: a fact of the period, and no fault of the bundle.

What is withdrawn counts in no sum. It is told, and its window keeps its place in the chain: those beside it would else
seem to have lost time and energy. All else that is wrong with it refuses, as if it counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from verifier.errors import RevokedError, SuspendedError
from verifier.notices import Notice
from verifier.report import Finding, Outcome, Report, Result, findings_of, warning

_WITHDRAWN: Final = {RevokedError.name: "revoked", SuspendedError.name: "suspended"}
_SHOWN: Final = frozenset({Result.FAILED, Result.INCONCLUSIVE, Result.WARNING})


def is_withdrawn(report: Report) -> bool:
    """Return whether the issuer's word alone keeps a credential from counting: nothing else refuses it."""
    failed = [finding for finding in _shown(report) if finding.result is Result.FAILED]
    return bool(failed) and all(finding.problem in _WITHDRAWN for finding in failed)


def to_tell(report: Report, what: str) -> list[Finding]:
    """Return what should be known of a credential; that it is withdrawn, and nothing else, is a warning (NOT_COUNTED).

    ``what`` is what it is of, in words.
    """
    if not is_withdrawn(report):
        return [*_shown(report)]
    return [
        warning(Notice.NOT_COUNTED, f"{what}: {_WITHDRAWN[finding.problem or '']}, not counted: {finding.detail}")
        if finding.result is Result.FAILED
        else finding
        for finding in _shown(report)
    ]


def worst(found: Iterable[Finding]) -> Outcome:
    """Return the outcome that findings lead to."""
    results = {finding.result for finding in found}
    if Result.FAILED in results:
        return Outcome.REFUSED
    return Outcome.INCONCLUSIVE if Result.INCONCLUSIVE in results else Outcome.VERIFIED


def _shown(report: Report) -> Iterator[Finding]:
    return (finding for check in report.checks for finding in findings_of(check) if finding.result in _SHOWN)
