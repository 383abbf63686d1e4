"""The step on a window's place: whether it follows from one before it, which was verified by itself."""

from __future__ import annotations

from collections.abc import Iterator

from verifier import window_chain
from verifier.attestation import chain
from verifier.case import Case
from verifier.notices import Notice
from verifier.report import Finding, Outcome, Report, Result, undecided


def check_sequence(later: Case, earlier: Case, before: Report) -> Iterator[Finding]:
    """Yield what lies between two windows, whose credentials were judged already; ``before`` is the earlier's report."""
    if before.outcome is not Outcome.VERIFIED:
        yield Finding(
            Result.INCONCLUSIVE,
            f"the window before, {before.id}, is {before.outcome.value} itself: {before.detail}",
            before.problem,
        )
        return
    if later.window is None or earlier.window is None:
        which = later if later.window is None else earlier
        name = which.value.get("id")
        yield undecided(Notice.NOT_CHECKED, f"the signed window of {name} was not shown, so its place cannot be")
        return
    openings = [case.enrolment.opening for case in (later, earlier) if case.enrolment is not None]
    yield from window_chain.follow(
        chain.resume(earlier.window), later.window, now=later.now, openings=openings
    ).findings
