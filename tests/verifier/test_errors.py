"""The tree of errors: each has a name, a title, a status and a problem type of its own."""

from __future__ import annotations

import inspect

import pytest

import schemas.errors
from verifier import errors

CLASSES = [
    error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, errors.VerificationError) and error.__module__ == "verifier.errors"
]
LEAVES = [error for error in CLASSES if not error.__subclasses__()]


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_stands_in_the_tree_of_the_docstring(error):
    assert error.__name__ in errors.__doc__


@pytest.mark.parametrize("error", LEAVES)
def test_every_problem_stands_in_the_tree_of_the_docstring(error):
    assert error.name in errors.__doc__


@pytest.mark.parametrize("error", LEAVES)
def test_every_error_has_a_problem_type_that_ends_in_its_name(error):
    found = error("what is wrong")
    assert found.problem_type.startswith("https://")
    assert found.problem_type.endswith(f"#{error.name}")
    assert found.detail == str(found) == "what is wrong"


def test_no_two_errors_have_the_same_name():
    names = [error.name for error in LEAVES]
    assert len(set(names)) == len(names)


def test_a_name_of_the_w3c_has_its_problem_type():
    assert errors.ProofVerificationError("x").problem_type == "https://w3id.org/security#PROOF_VERIFICATION_ERROR"


def test_a_limit_is_both_a_verification_and_a_format_error():
    found = errors.ResourceLimitError("too large")
    assert isinstance(found, schemas.errors.ResourceLimitError)
    assert (found.name, found.status) == ("RESOURCE_LIMIT", 413)


def test_a_malformed_term_is_both_a_verification_and_a_format_error():
    found = errors.MalformedTermError("bad")
    assert isinstance(found, schemas.errors.MalformedValueError)
    assert (found.name, found.status) == ("MALFORMED_VALUE_ERROR", 400)
