import inspect

import pytest

from did import errors
from did.errors import DidError, DocumentLimitError, JwsLimitError, KeyTooLargeError, SignerError
from schemas.errors import ResourceLimitError

CLASSES = [member for _, member in inspect.getmembers(errors, inspect.isclass) if member.__module__ == "did.errors"]


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_is_one_of_the_package_and_drawn_in_the_tree(error) -> None:
    assert issubclass(error, DidError)
    assert error.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_has_a_problem_type_that_names_it(error) -> None:
    assert error("detail").problem_type.endswith(f"#{error.name}")
    assert error("detail").detail == "detail"


@pytest.mark.parametrize("error", [DocumentLimitError, JwsLimitError, KeyTooLargeError])
def test_a_limit_is_caught_as_a_resource_limit_too(error) -> None:
    assert issubclass(error, ResourceLimitError)
    assert (error.name, error.status) == ("RESOURCE_LIMIT", 413)


def test_a_signing_key_that_fails_is_no_fault_of_the_caller() -> None:
    assert SignerError.status == 503


@pytest.mark.parametrize(
    ("error", "namespace"),
    [
        (errors.InvalidKeyError, "https://www.w3.org/TR/vc-data-model#"),
        (errors.VerificationMethodError, "https://w3id.org/security#"),
        (errors.DocumentIdError, "https://w3id.org/security#"),
        (errors.InvalidDidError, "https://w3id.org/green-compute/problems#"),
    ],
)
def test_a_problem_of_the_w3c_has_the_w3cs_type(error, namespace) -> None:
    assert error("detail").problem_type == namespace + error.name
