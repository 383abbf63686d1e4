"""Reports: how findings become checks, checks an outcome, and which problem is named first."""

import json

import pytest

from schemas.errors import ParsingError, ResourceLimitError, SchemaInvalidError
from verifier.errors import (
    ExpiredError,
    FetchFailedError,
    NoProofError,
    OverloadedError,
    ProofVerificationError,
    RevokedError,
    StatusRetrievalError,
    UnsignedClaimError,
    UntrustedContextError,
)
from verifier.notices import Notice
from verifier.report import (
    Finding,
    Outcome,
    Report,
    Result,
    Spec,
    conclude,
    failed,
    finding_of,
    findings_of,
    obstacles,
    outcome_of,
    passed,
    problem_document,
    skipped,
    undecided,
    warning,
)

SPEC = Spec("a rule", "https://rule.example/")


def check(step, *findings):
    return conclude(step, SPEC, findings)


def test_the_worst_finding_is_the_checks():
    found = check("proof", passed("a"), warning(Notice.KEY_RETIRED, "b"), failed(ExpiredError("c")), passed("d"))
    assert (found.result, found.detail, found.problem) == (Result.FAILED, "c", "EXPIRED")
    assert len(found.findings) == 4


def test_one_finding_is_not_listed_again():
    found = check("proof", passed("a"))
    assert found.findings == ()
    assert findings_of(found) == (Finding(Result.PASSED, "a"),)


def test_a_step_that_finds_nothing_has_shown_nothing():
    assert check("proof").result is Result.INCONCLUSIVE


@pytest.mark.parametrize("error", [FetchFailedError("x"), StatusRetrievalError("x"), OverloadedError("x")])
def test_what_could_not_be_had_is_inconclusive(error):
    assert finding_of(error).result is Result.INCONCLUSIVE


def test_every_other_error_refuses():
    assert finding_of(ParsingError("x")) == Finding(Result.FAILED, "x", "PARSING_ERROR")


@pytest.mark.parametrize(
    ("checks", "outcome"),
    [
        ([check("proof", passed("a"))], Outcome.VERIFIED),
        ([check("proof", warning(Notice.KEY_RETIRED, "a"))], Outcome.VERIFIED),
        ([check("proof", passed("a")), check("claims", skipped("b"))], Outcome.VERIFIED),
        ([check("proof", passed("a")), check("status", failed(RevokedError("b")))], Outcome.REFUSED),
        ([check("proof", passed("a")), check("status", finding_of(StatusRetrievalError("b")))], Outcome.INCONCLUSIVE),
        ([check("proof", skipped("a"))], Outcome.INCONCLUSIVE),
        ([], Outcome.INCONCLUSIVE),
    ],
    ids=["passed", "warning", "skipped beside", "failed", "inconclusive", "skipped itself", "missing"],
)
def test_the_outcome_is_verified_only_if_the_essential_was_made(checks, outcome):
    assert outcome_of(checks, essential=["proof"]) is outcome


def test_refusals_are_named_in_the_order_of_the_design():
    checks = [
        check("status", failed(RevokedError("x"))),
        check("validity", failed(ExpiredError("x"))),
        check("proof", failed(ProofVerificationError("x")), failed(UnsignedClaimError("x"))),
        check("schema", failed(SchemaInvalidError("x"))),
        check("context", failed(UntrustedContextError("x"))),
        check("evidence", failed(ResourceLimitError("x"))),
        check("parse", failed(ParsingError("x"))),
    ]
    assert [finding.problem for _, finding in obstacles(checks)] == [
        "PARSING_ERROR",
        "RESOURCE_LIMIT",
        "UNTRUSTED_CONTEXT",
        "SCHEMA_INVALID",
        "UNSIGNED_CLAIM",
        "PROOF_VERIFICATION_ERROR",
        "EXPIRED",
        "REVOKED",
    ]


def test_what_refuses_is_named_before_what_is_inconclusive():
    checks = [
        check("issuer-key", finding_of(FetchFailedError("x"))),
        check("assurance", failed(ProofVerificationError("y"))),
    ]
    assert [finding.detail for _, finding in obstacles(checks)] == ["y", "x"]


def test_an_absent_signature_ranks_with_a_false_one():
    checks = [check("proof", failed(NoProofError("x"))), check("schema", failed(SchemaInvalidError("y")))]
    assert [finding.detail for _, finding in obstacles(checks)] == ["y", "x"]


def report(**changes):
    return Report(
        outcome=Outcome.VERIFIED,
        kind="GreenComputeCredential",
        document_digest="uEi",
        at="2026-11-20T21:00:00Z",
        checks=(check("proof", passed("a")),),
        **changes,
    )


def test_a_check_is_found_by_its_step():
    assert report().check("proof").detail == "a"
    with pytest.raises(KeyError):
        report().check("status")


def test_the_json_is_canonical_and_complete():
    content = json.loads(report().to_json())
    assert list(content) == sorted(content)
    assert content["checks"][0] == {
        "detail": "a",
        "result": "passed",
        "spec": {"name": "a rule", "url": "https://rule.example/"},
        "step": "proof",
    }


def test_equal_reports_have_equal_bytes():
    assert report(subject={"b": "1", "a": "2"}).to_json() == report(subject={"a": "2", "b": "1"}).to_json()


def test_the_problems_of_inner_credentials_are_listed_after_the_own():
    inner = Report(
        outcome=Outcome.REFUSED,
        kind="",
        document_digest="",
        at="",
        checks=(check("status", failed(RevokedError("x"))),),
    )
    assert [finding.problem for finding in report(credentials=(inner,)).problems] == ["REVOKED"]


def test_a_problem_document_has_the_standard_type_where_there_is_one():
    document = problem_document(failed(ProofVerificationError("why")))
    assert document == {
        "type": "https://w3id.org/security#PROOF_VERIFICATION_ERROR",
        "title": "Proof verification error",
        "detail": "why",
    }


def test_a_problem_of_our_own_has_our_namespace():
    document = problem_document(undecided(Notice.NOT_UNDERSTOOD, "why"))
    assert document["type"] == "https://w3id.org/green-compute/problems#NOT_UNDERSTOOD"
