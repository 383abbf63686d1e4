import inspect

import pytest

from verifier.endorsement import errors
from verifier.errors import VerificationError

CLASSES = [item for _, item in inspect.getmembers(errors, inspect.isclass) if item.__module__ == errors.__name__]


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_carries_what_a_problem_document_needs(error):
    assert issubclass(error, VerificationError)
    assert error.name in errors.__doc__
    assert error.__name__ in errors.__doc__
    assert f"{error.status}  {error.name}" in errors.__doc__
    assert error.status in (400, 403)


def test_names_are_told_apart():
    assert len({error.name for error in CLASSES}) == len(CLASSES)
