"""From exceptions to problem documents."""

from __future__ import annotations

import importlib
import json

import pytest
from litestar.exceptions import (
    ClientException,
    HTTPException,
    InternalServerException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)

from did.errors import SignerError
from issuer import problems
from issuer.errors import KeyMismatchError
from issuer.http.errors import UnauthenticatedError
from issuer.store.errors import UnavailableError
from schemas.errors import GreenError, ParsingError
from verifier.http.errors import RateLimitedError
from verifier.http.problems import render

INSTANCE = "urn:uuid:0"

_PACKAGES = [
    "schemas.errors",
    "did.errors",
    "verifier.errors",
    "issuer.errors",
    "issuer.http.errors",
    "issuer.store.errors",
    "verifier.http.errors",
]


def _errors(root=GreenError):
    for package in _PACKAGES:
        importlib.import_module(package)
    for error in root.__subclasses__():
        yield error
        yield from _errors(error)


@pytest.mark.parametrize("error", sorted(set(_errors()), key=lambda error: f"{error.__module__}.{error.__name__}"))
def test_every_error_of_ours_has_a_problem_document(error):
    raised = RateLimitedError("d", retry_after_s=1) if issubclass(error, RateLimitedError) else error.__new__(error)
    if not isinstance(raised, RateLimitedError):
        GreenError.__init__(raised, "the detail")
    problem = problems.problem_of(raised, INSTANCE)
    assert problem.status == error.status
    assert problem.type.startswith("https://")
    assert problem.title
    assert problem.instance == INSTANCE
    if error.status == 500:
        assert problem.detail != "the detail"


def test_the_members_are_those_of_rfc_9457():
    document = json.loads(render(problems.problem_of(ParsingError("not JSON"), INSTANCE)))
    assert document == {
        "type": "https://www.w3.org/TR/vc-data-model#PARSING_ERROR",
        "title": "The document cannot be parsed",
        "status": 400,
        "detail": "not JSON",
        "instance": INSTANCE,
    }


@pytest.mark.parametrize(
    "error", [ValueError("secret"), KeyError("secret"), InternalServerException("secret"), RecursionError()]
)
def test_what_nobody_expected_tells_nothing(error):
    problem = problems.problem_of(error, INSTANCE)
    assert problem.status == 500
    assert problem.type.endswith("#INTERNAL_ERROR")
    assert "secret" not in render(problem).decode()
    assert problems.is_fault(error)


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (NotFoundException(), 404, "NOT_FOUND"),
        (MethodNotAllowedException(), 405, "METHOD_NOT_ALLOWED"),
        (ClientException("what was sent"), 400, "MALFORMED_REQUEST"),
        (HTTPException(status_code=413), 413, "RESOURCE_LIMIT"),
        (HTTPException(status_code=418), 418, "REQUEST_REFUSED"),
    ],
)
def test_the_frameworks_refusals_have_names_of_ours(error, status, name):
    problem = problems.problem_of(error, INSTANCE)
    assert problem.status == status
    assert problem.type.endswith(f"#{name}")
    assert "what was sent" not in problem.detail
    assert not problems.is_fault(error)


def test_a_malformed_parameter_is_named():
    error = ValidationException(
        "Validation failed for GET https://x/?limit=0", extra=[{"key": "limit", "message": "at least 1"}]
    )
    problem = problems.problem_of(error, INSTANCE)
    assert problem.detail == "limit: at least 1"
    assert problem.type.endswith("#MALFORMED_VALUE_ERROR")


def test_a_malformed_parameter_without_a_name_has_a_detail_too():
    assert problems.problem_of(ValidationException("x", extra=None), INSTANCE).detail


def test_a_refused_method_says_which_are_allowed():
    for given, said in (("GET, OPTIONS", "GET, HEAD"), ("OPTIONS, POST", "POST"), ("POST, GET", "GET, HEAD, POST")):
        assert problems.headers_of(MethodNotAllowedException(headers={"allow": given})) == {"allow": said}


def test_headers_come_with_their_errors():
    assert problems.headers_of(UnauthenticatedError("x"))["www-authenticate"].startswith("Bearer")
    assert problems.headers_of(RateLimitedError("x", retry_after_s=3)) == {"retry-after": "3"}
    assert problems.headers_of(ParsingError("x")) == {}


@pytest.mark.parametrize(
    "error", [SignerError("/keys/root.pem is gone"), KeyMismatchError("/keys/root.pem is another")]
)
def test_a_signing_key_that_fails_is_a_fault_that_may_pass_and_names_no_file(error):
    problem = problems.problem_of(error, INSTANCE)
    assert (problem.status, problem.type.rpartition("#")[2]) == (503, "SIGNING_KEY_UNAVAILABLE")
    assert "root.pem" not in render(problem).decode()
    assert int(problems.headers_of(error)["retry-after"]) >= 10
    assert problems.is_fault(error)


def test_what_may_succeed_later_says_when_to_try():
    assert problems.headers_of(UnavailableError("busy")) == {"retry-after": "2"}
