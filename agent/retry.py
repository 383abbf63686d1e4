"""What an answer of the issuer means for a record, and how long to wait before the next try. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeAlias

from schemas import jcs, strict_json
from schemas.errors import FormatError, problem_type
from schemas.strict_json import Json

BASE_S: Final = 0.5
CAP_S: Final = 120.0
LONGEST_RETRY_AFTER_S: Final = 3600.0

_TEMPORARY: Final = frozenset({408, 425, 429})
_CONFLICT: Final = 409
_FINAL_OF_WINDOW: Final = frozenset({400, _CONFLICT, 413, 422})
# The nonce in a window's bytes is none of this issuer's, and never will be.
_NONCE_REFUSED: Final = (401, problem_type("NONCE_REFUSED"))
_SIGNER_MISMATCH: Final = (401, problem_type("WINDOW_SIGNER_MISMATCH"))
TAKEN: Final = "the inference id is taken: sending it again never helps, use another --inference-id"
"""What to tell about a record that ``is_taken``."""
_MAX_PROBLEM_BYTES: Final = 16 * 1024
_PROBLEM_JSON: Final = "application/problem+json"
# The record lies ahead of the issuer's clock: it is taken as it is once that has caught up.
_CLOCK_SKEW: Final = problem_type("CLOCK_SKEW")
# Windows before this one never came, or its clocks disagree, which may be the issuer's fault as well. It is taken as it
# is once the others have come, or once an operator accepts it.
_FOR_OPERATOR: Final = frozenset(
    {(_CONFLICT, problem_type("WINDOW_SEQUENCE_GAP")), (_CONFLICT, problem_type("CLOCK_DRIFT"))}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, headers by lower-case name, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The issuer has issued: the credential's bytes."""

    credential: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """The issuer will never take this record: its problem document (JSON), and what it says in one line."""

    problem: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Later:
    """Not now: why, and how long the issuer asked us to wait, where it did.

    ``for_operator``: no waiting helps by itself, the issuer's operator is asked for a decision.
    """

    reason: str
    after_s: float | None = None
    for_operator: bool = False


Verdict: TypeAlias = Acknowledged | Refused | Later


def judge(answer: Answer, inference_id: str, now: datetime) -> Verdict:
    """Return what ``answer`` means for the record of ``inference_id``.

    2xx acknowledges only if the body is a credential about that inference: a captive portal answers 200 as well.
    4xx with a problem document is final, but for 408, 425 and 429 (RFC 9110 §15.5, RFC 8470 §5.2, RFC 6585 §4) and
    CLOCK_SKEW; all else may pass, also 4xx of something in between that is not the issuer.
    """
    if answer.status // 100 == 2:  # noqa: PLR2004 - the class of the status
        if _is_credential_of(answer.body, inference_id):
            return Acknowledged(answer.body)
        return Later(f"the answer {answer.status} is no credential about {inference_id}", _retry_after(answer, now))
    if answer.status // 100 == 4 and answer.status not in _TEMPORARY:  # noqa: PLR2004 - the class of the status
        if not _is_problem(answer):
            reason = (
                f"the answer {answer.status} is no problem document, so it may not be the issuer's; is the URL right?"
            )
            return Later(reason, _retry_after(answer, now))
        return _of_problem(answer, now)
    return Later(f"the issuer answered {answer.status}", _retry_after(answer, now))


def judge_window(answer: Answer, digest: str, now: datetime, *, key_replaced: bool = False) -> Verdict:
    """Return what ``answer`` means for the window of ``digest`` (multibase).

    2xx acknowledges only if its ``window`` is that digest. 400, 409, 413 and 422 with a problem document are final, and
    so is NONCE_REFUSED: the window's bytes will never be taken; but for CLOCK_SKEW, WINDOW_SEQUENCE_GAP, which says
    nothing against this window, and CLOCK_DRIFT, on which an operator decides. All else an operator or time may mend:
    the node is enrolled again, a key un-suspended, the issuer brought up to date. ``key_replaced``: it was enrolled
    again since the window was signed, so that WINDOW_SIGNER_MISMATCH is final too.
    """
    if answer.status // 100 == 2:  # noqa: PLR2004 - the class of the status
        if _window_of(answer.body) == digest:
            return Acknowledged(answer.body)
        return Later(f"the answer {answer.status} does not acknowledge the window {digest}", _retry_after(answer, now))
    if _is_problem(answer):
        verdict, named = _of_problem(answer, now), (answer.status, _type_of(answer))
        if named in _FOR_OPERATOR:
            return Later(verdict.reason, _retry_after(answer, now), for_operator=True)
        if answer.status in _FINAL_OF_WINDOW or named == _NONCE_REFUSED or (key_replaced and named == _SIGNER_MISMATCH):
            return verdict
    if _is_problem(answer):
        return Later(reason_of(answer), _retry_after(answer, now))
    return Later(f"the issuer answered {answer.status}", _retry_after(answer, now))


def reason_of(answer: Answer) -> str:
    """Return a problem document in one line."""
    try:
        document = strict_json.parse_object(answer.body, max_bytes=_MAX_PROBLEM_BYTES)
    except FormatError:
        return f"the issuer answered {answer.status}"
    return f"{answer.status} {printable(document.get('title'))}: {printable(document.get('detail'))}"


def wait_s(failures: int, after_s: float | None, fraction: float) -> float:
    """Return how long to wait after the ``failures``-th failure in a row (from 1).

    Exponential back-off with full jitter: ``fraction`` (0 to 1, random) of the step; so that nodes that lost the
    issuer together do not come back together. What the issuer asked for is waited out first.
    """
    step_s = min(CAP_S, BASE_S * float(1 << min(failures, 32)))
    return fraction * step_s if after_s is None else after_s + fraction * min(step_s, BASE_S * 4)


def _retry_after(answer: Answer, now: datetime) -> float | None:
    """Return the seconds of Retry-After (RFC 9110 §10.2.3: a number or a date), at most an hour."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER_S)


def _is_credential_of(body: bytes, inference_id: str) -> bool:
    try:
        document = strict_json.parse_object(body)
    except FormatError:
        return False
    types = document.get("type")
    subject = document.get("credentialSubject")
    return (
        isinstance(types, list)
        and "VerifiableCredential" in types
        and isinstance(subject, dict)
        and subject.get("inferenceId") == inference_id
    )


def _type_of(answer: Answer) -> Json:
    try:
        return strict_json.parse_object(answer.body, max_bytes=_MAX_PROBLEM_BYTES).get("type")
    except FormatError:
        return None


def _window_of(body: bytes) -> Json:
    try:
        return strict_json.parse_object(body).get("window")
    except FormatError:
        return None


def _is_problem(answer: Answer) -> bool:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower() == _PROBLEM_JSON


def _of_problem(answer: Answer, now: datetime) -> Refused | Later:
    try:
        document = strict_json.parse_object(answer.body, max_bytes=_MAX_PROBLEM_BYTES)
        problem = jcs.canonical_bytes(document)
    except FormatError:
        document = {"type": "about:blank", "status": answer.status, "title": "The answer held no problem document"}
        problem = jcs.canonical_bytes(document)
    reason = f"{answer.status} {printable(document.get('title'))}: {printable(document.get('detail'))}"
    if document.get("type") == _CLOCK_SKEW:
        return Later(reason, _retry_after(answer, now))
    return Refused(problem, reason)


def is_taken(problem: bytes) -> bool:
    """Return whether a problem document (JSON) says 409: the inference id has a credential, so no retry helps."""
    try:
        return strict_json.parse_object(problem).get("status") == _CONFLICT
    except FormatError:
        return False


def in_words(problem: bytes) -> str:
    """Return the type, title and detail of a problem document (JSON) that lies beside what was refused."""
    try:
        document = strict_json.parse_object(problem)
    except FormatError:
        return "the problem document is damaged"
    shown = [printable(document[member]) for member in ("type", "title", "detail") if member in document]
    return " ".join(word for word in shown if word != "about:blank")


def printable(value: Json) -> str:
    """Return what another machine wrote as it may go to a terminal: without escapes, 300 characters at most."""
    shown = value if isinstance(value, str) else "-"
    return "".join(character if character.isprintable() else "?" for character in shown[:300])
