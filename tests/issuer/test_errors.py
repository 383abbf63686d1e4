import inspect

import pytest

from issuer import errors
from schemas.errors import GreenError, problem_type

CLASSES = [item for _, item in inspect.getmembers(errors, inspect.isclass) if item.__module__ == "issuer.errors"]


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_carries_what_a_problem_document_needs(error: type[GreenError]) -> None:
    assert issubclass(error, errors.IssuanceError)
    assert error.name.isupper()
    assert error.title
    assert 400 <= error.status < 600
    assert error("why").problem_type == problem_type(error.name)


@pytest.mark.parametrize("error", CLASSES)
def test_the_tree_in_the_docstring_is_the_tree(error: type[GreenError]) -> None:
    assert error.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("error", "name", "status"),
    [
        (errors.UnknownNodeError, "UNKNOWN_NODE", 404),
        (errors.NodeRevokedError, "NODE_REVOKED", 403),
        (errors.BadSignatureError, "SIGNATURE_INVALID", 401),
        (errors.StaleTimestampError, "TOO_OLD", 422),
        (errors.FutureTimestampError, "CLOCK_SKEW", 422),
        (errors.ImplausibleEnergyError, "CLAIM_IMPLAUSIBLE", 422),
    ],
)
def test_what_a_node_is_told_is_fixed(error: type[GreenError], name: str, status: int) -> None:
    assert (error.name, error.status) == (name, status)
