"""A fault of the program has an exit code of its own, and says what to do."""

import pytest

from verifier.failure import INTERNAL, failed


def raised():
    try:
        int("secret detail")
    except ValueError as error:
        return error


@pytest.mark.parametrize(("debug", "environment"), [(True, {}), (False, {"GREEN_DEBUG": "1"})])
def test_the_traceback_is_shown_to_who_asks(capsys, debug, environment):
    assert failed("green-x", raised(), debug=debug, environment=environment) == INTERNAL == 70
    assert "secret detail" in capsys.readouterr().err


@pytest.mark.parametrize("environment", [{}, {"GREEN_DEBUG": "0"}, {"GREEN_DEBUG": ""}])
def test_otherwise_one_line_says_that_it_is_no_verdict(capsys, environment):
    assert failed("green-x", raised(), environment=environment) == INTERNAL
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("green-x: internal error (ValueError)")
    assert "secret" not in err
