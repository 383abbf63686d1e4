"""The step on time: not before its beginning, not after its end, signed when it says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from schemas.strict_json import JsonObject
from verifier.case import Case
from verifier.document import proofs_of
from verifier.errors import ClaimInconsistentError, ExpiredError, NotYetValidError
from verifier.moments import read_moment
from verifier.notices import Notice
from verifier.report import Finding, passed, warning

_BEGIN = ("issuanceDate", "validFrom")
_END = ("expirationDate", "validUntil")


def check_validity(case: Case) -> Iterable[Finding]:
    """Yield that ``now`` lies within the validity period, clocks differing by at most the policy's leeway."""
    leeway = timedelta(seconds=case.policy.leeway_s)
    begin, end = period_of(case.value)
    check_period(begin, end, case.now, leeway)
    yield passed(f"valid from {_shown(begin)} to {_shown(end)}")
    for proof in proofs_of(case.value):
        check_proof_dates(proof, case.now, leeway)
        if "created" in proof:
            yield _judge_created(read_moment(proof["created"], "proof.created"), begin, end)


def check_proofs_current(case: Case) -> Iterable[Finding]:
    """Yield that no proof of a presentation, which has no period of its own, is of the future or has expired."""
    for proof in proofs_of(case.value):
        check_proof_dates(proof, case.now, timedelta(seconds=case.policy.leeway_s))
    yield passed("no proof is dated in the future, and none has expired")


def check_proof_dates(proof: JsonObject, now: datetime, leeway: timedelta) -> None:
    """Return if a proof was made by ``now`` and has not expired. VC Data Integrity 1.0 §2.1 (created, expires).

    Raises NotYetValidError, ExpiredError, and MalformedValueError for a time that cannot be read.
    """
    if "created" in proof:
        created = read_moment(proof["created"], "proof.created")
        if created - now > leeway:
            raise NotYetValidError(f"proof.created: {_shown(created)} lies in the future")
    if "expires" in proof:
        expires = read_moment(proof["expires"], "proof.expires")
        if now - expires >= leeway:
            raise ExpiredError(f"proof.expires: the proof counts until {_shown(expires)} only")


def period_of(document: JsonObject) -> tuple[datetime | None, datetime | None]:
    """Return the validity period, either end None if not stated; the stricter one where two members state it."""
    begins = [read_moment(document[name], name) for name in _BEGIN if name in document]
    ends = [read_moment(document[name], name) for name in _END if name in document]
    return max(begins, default=None), min(ends, default=None)


def check_period(begin: datetime | None, end: datetime | None, now: datetime, leeway: timedelta) -> None:
    """Return if ``now`` lies in the period. Raises NotYetValidError, ExpiredError, ClaimInconsistentError."""
    if begin is not None and end is not None and end < begin:
        raise ClaimInconsistentError(f"the validity period ends ({_shown(end)}) before it begins ({_shown(begin)})")
    # Differences, since a sum may lie beyond the last year that a datetime holds.
    if begin is not None and begin - now > leeway:
        raise NotYetValidError(f"valid from {_shown(begin)} only")
    if end is not None and now - end >= leeway:
        raise ExpiredError(f"valid until {_shown(end)} only")


def _judge_created(created: datetime, begin: datetime | None, end: datetime | None) -> Finding:
    if (begin is not None and created < begin) or (end is not None and created > end):
        return warning(
            Notice.PROOF_DATE, f"the proof says it was made at {_shown(created)}, outside the validity period"
        )
    return passed(f"the proof says it was made at {_shown(created)}")


def _shown(moment: datetime | None) -> str:
    return "an open end" if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
