"""Each error of attestation stands in the tree, with a name and a status that answers it."""

import inspect

import pytest

from verifier.attestation import errors
from verifier.errors import ClaimImplausibleError, VerificationError

CLASSES = [
    error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, VerificationError) and error.__module__ == errors.__name__
]
LEAVES = [error for error in CLASSES if not error.__subclasses__()]


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_stands_in_the_tree_with_its_status(error):
    lines = [line for line in (errors.__doc__ or "").splitlines() if f" {error.__name__} " in f"{line} "]
    assert len(lines) == 1
    assert error is errors.AttestationError or str(error.status) in lines[0]
    assert error not in LEAVES or error.name in lines[0]


@pytest.mark.parametrize("error", LEAVES)
def test_every_error_answers_401_400_or_409(error):
    assert error.status in (401, 400, 409)
    assert error("what is wrong").problem_type.endswith(f"#{error.name}")


def test_no_two_errors_have_the_same_name():
    assert len({error.name for error in LEAVES}) == len(LEAVES)


def test_too_much_energy_is_an_implausible_claim():
    assert issubclass(errors.WindowEnergyError, ClaimImplausibleError)
    assert errors.WindowEnergyError.name == ClaimImplausibleError.name
