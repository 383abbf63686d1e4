"""A verdict as the answer to a request: for readers of a status code, of ``verified``, and of the whole report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from litestar import Response

from verifier.notices import Notice
from verifier.report import Finding, Outcome, Report, Result, problem_document, undecided, warning

MAX_NAMED: Final = 256
"""Problems, and as many warnings, that are named one by one outside of the report."""


def answer(report: Report) -> Response[bytes]:
    """Return the answer: 200 where the document verifies, else 400; ``warnings`` has those of the credentials inside too."""
    verified = report.outcome is Outcome.VERIFIED
    problems = _first(report.problems, undecided)
    content = {
        "verified": verified,
        "outcome": report.outcome.value,
        "problemDetails": [problem_document(finding) for finding in problems],
        "checks": [check.step for check in report.checks if check.result in {Result.PASSED, Result.WARNING}],
        "warnings": [problem_document(finding) for finding in _first(_warnings(report), warning)],
        "errors": [finding.detail for finding in problems],
        "report": msgspec.Raw(report.to_json()),
    }
    return Response(msgspec.json.encode(content), status_code=200 if verified else 400, media_type="application/json")


def _warnings(report: Report) -> tuple[Finding, ...]:
    """Return every warning once. One of each name comes first, so that none is cut off behind many others."""
    found = dict.fromkeys(_each_warning(report))
    of_each_name = {finding.problem: finding for finding in reversed(found)}
    return tuple(dict.fromkeys((*reversed(of_each_name.values()), *found)))


def _each_warning(report: Report) -> Iterator[Finding]:
    yield from report.warnings
    for inner in report.credentials:
        yield from _each_warning(inner)


def _first(found: tuple[Finding, ...], more: Callable[[Notice, str], Finding]) -> tuple[Finding, ...]:
    if len(found) <= MAX_NAMED:
        return found
    return (*found[:MAX_NAMED], more(Notice.NOT_LISTED, f"the report has {len(found) - MAX_NAMED} more"))
