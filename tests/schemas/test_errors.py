import pytest

from schemas import errors
from schemas.errors import FormatError, GreenError, MalformedValueError, problem_type


def subclasses(root):
    return [root, *(found for child in root.__subclasses__() for found in subclasses(child))]


def test_problem_type_is_the_w3cs_where_one_exists():
    assert problem_type("MALFORMED_VALUE_ERROR") == "https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR"
    assert problem_type("STATUS_LIST_LENGTH_ERROR").startswith("https://www.w3.org/ns/credentials/status-list#")


def test_problem_type_is_ours_where_no_standard_has_one():
    assert problem_type("REVOKED") == "https://w3id.org/green-compute/problems#REVOKED"


def test_an_error_carries_its_detail_and_its_problem_type():
    error = MalformedValueError("energyKwh: not a decimal")
    assert error.detail == str(error) == "energyKwh: not a decimal"
    assert error.problem_type.endswith("#MALFORMED_VALUE_ERROR")


# Of the other packages' errors, only those would be here that some test has imported already.
OURS = [kind for kind in subclasses(FormatError) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_each_format_error_names_a_problem_and_a_client_status(kind):
    assert kind.name.isupper()
    assert kind.title
    assert 400 <= kind.status < 500


def test_the_tree_in_the_docstring_names_every_class_of_the_module():
    own = [kind for kind in subclasses(GreenError) if kind.__module__ == errors.__name__]
    assert [kind.__name__ for kind in own if kind.__name__ not in (errors.__doc__ or "")] == []
