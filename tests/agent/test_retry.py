import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.retry import CAP_S, Acknowledged, Answer, Later, Refused, judge, wait_s
from tests.fakes.agent import credential_for, issue, problem

PROBLEM = {"content-type": "application/problem+json"}
NOW = datetime(2026, 11, 20, 20, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 201])
def test_a_credential_about_the_inference_acknowledges(status):
    assert judge(Answer(status, {}, credential_for("i-1")), "i-1", NOW) == Acknowledged(credential_for("i-1"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>please sign in</html>",
        b'{"type": ["VerifiableCredential"',
        b"[]",
        b'{"ok": true}',
        b'{"type": "VerifiableCredential", "credentialSubject": {"inferenceId": "i-1"}}',
        b'{"type": ["VerifiableCredential"], "credentialSubject": [{"inferenceId": "i-1"}]}',
        credential_for("another"),
    ],
)
def test_a_success_without_the_credential_acknowledges_nothing(body):
    verdict = judge(Answer(201, {}, body), "i-1", NOW)

    assert isinstance(verdict, Later)
    assert "no credential about i-1" in verdict.reason


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422])
def test_a_client_error_is_final_and_keeps_the_problem_document(status):
    verdict = judge(problem(status, "Conflict", "another body under this id"), "i-1", NOW)

    assert isinstance(verdict, Refused)
    assert json.loads(verdict.problem)["detail"] == "another body under this id"
    assert verdict.reason == f"{status} Conflict: another body under this id"


def test_a_refusal_whose_problem_document_is_damaged_gets_one_that_says_so():
    verdict = judge(Answer(403, PROBLEM, b"<html>forbidden</html>"), "i-1", NOW)

    assert isinstance(verdict, Refused)
    assert json.loads(verdict.problem)["status"] == 403


@pytest.mark.parametrize("status", [400, 401, 403, 404, 407, 413, 422])
@pytest.mark.parametrize("headers", [{}, {"content-type": "text/html"}, {"content-type": "application/json"}])
def test_a_client_error_of_something_that_is_not_the_issuer_is_not_final(status, headers):
    verdict = judge(Answer(status, {**headers, "retry-after": "7"}, b"<html>proxy</html>"), "i-1", NOW)

    assert isinstance(verdict, Later)
    assert (str(status) in verdict.reason, verdict.after_s) == (True, 7.0)


def test_a_problem_documents_media_type_may_have_parameters_and_capitals():
    headers = {"content-type": "Application/Problem+JSON; charset=utf-8"}

    assert isinstance(judge(Answer(409, headers, b"{}"), "i-1", NOW), Refused)


def test_a_record_ahead_of_the_issuers_clock_is_sent_again_when_that_has_caught_up():
    body = {"type": "https://w3id.org/green-compute/problems#CLOCK_SKEW", "title": "ahead", "detail": "set the clock"}
    verdict = judge(Answer(422, PROBLEM, json.dumps(body).encode()), "i-1", NOW)

    assert verdict == Later("422 ahead: set the clock")


def test_a_problem_document_is_not_kept_at_any_length():
    verdict = judge(Answer(400, PROBLEM, json.dumps({"detail": "x" * 100_000}).encode()), "i-1", NOW)

    assert isinstance(verdict, Refused)
    assert len(verdict.problem) < 1000


def test_a_reason_cannot_write_escapes_to_a_terminal():
    verdict = judge(problem(400, "\u202etitle", "a" * 1000), "i-1", NOW)

    assert isinstance(verdict, Refused)
    assert verdict.reason.isprintable()
    assert len(verdict.reason) < 700


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 307, 302, 100])
def test_everything_else_may_pass(status):
    verdict = judge(problem(status), "i-1", NOW)

    assert isinstance(verdict, Later)
    assert str(status) in verdict.reason


@pytest.mark.parametrize(
    ("header", "after_s"),
    [
        ("0", 0.0),
        ("2", 2.0),
        (" 17 ", 17.0),
        ("99999999999999999999", 3600.0),
        ("Fri, 20 Nov 2026 20:00:30 GMT", 30.0),
        ("Fri, 20 Nov 2026 19:00:00 GMT", 0.0),
        ("Fri, 20 Nov 2026 20:00:30 -0000", 30.0),
        ("Sat, 20 Nov 2027 20:00:30 GMT", 3600.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_a_number_or_a_date_and_never_more_than_an_hour(header, after_s):
    headers = {} if header is None else {"retry-after": header}
    verdict = judge(Answer(429, headers, b""), "i-1", NOW)

    assert verdict == Later("the issuer answered 429", after_s)


def test_the_wait_doubles_with_each_failure_up_to_a_cap():
    assert [wait_s(failures, None, 1.0) for failures in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, 8.0]
    assert wait_s(50, None, 1.0) == wait_s(10**9, None, 1.0) == CAP_S


@given(st.integers(1, 1000), st.floats(0, 1))
def test_the_jitter_is_full(failures, fraction):
    assert wait_s(failures, None, fraction) == pytest.approx(fraction * wait_s(failures, None, 1.0))


@given(st.integers(1, 1000), st.floats(0, 3600), st.floats(0, 1))
def test_what_the_issuer_asked_for_is_waited_out_first(failures, after_s, fraction):
    assert after_s <= wait_s(failures, after_s, fraction) <= after_s + 2


@given(st.binary(max_size=200), st.integers(100, 599))
def test_no_body_crashes_and_none_acknowledges_but_the_credential(body, status):
    verdict = judge(Answer(status, {}, body), "i-1", NOW)

    assert not isinstance(verdict, Acknowledged)


def test_the_fake_issuer_answers_as_the_judge_expects():
    assert isinstance(judge(issue("i-1"), "i-1", NOW), Acknowledged)
