"""The programs in a pipe whose reader goes away: they end without a word about it."""

import os
import subprocess
import sys

import pytest

from schemas.pipes import CLOSED, quietly
from tests.vectors import ROOT

PROGRAMS = {
    "green-agent": ("agent.cli", ("settings",)),
    "green-issuer": ("issuer.command", ("carbon", "lookup", "DEU")),
    "green-wallet": ("wallet.cli", ("did",)),
}


def into_a_closed_pipe(code, *arguments, both=False, home, **more):
    """Run a program whose reader has gone, and return its exit code and what it said."""
    reading, writing = os.pipe()
    os.close(reading)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GREEN_", "PYTHON"))}
    try:
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            stdout=writing,
            stderr=writing if both else subprocess.PIPE,
            env=kept | {"PYTHONPATH": str(ROOT), "HOME": str(home)} | more,
            cwd=home,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)


def program(module):
    return f"import sys; from {module} import main; sys.exit(main())"


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("asked", ["its command", "--help"])
def test_a_program_says_nothing_of_a_reader_that_went_away(name, asked, tmp_path):
    module, command = PROGRAMS[name]
    arguments = command if asked == "its command" else ("--help",)
    if name == "green-wallet":
        subprocess.run(
            [sys.executable, "-c", program(module), "init", "--wallet", str(tmp_path / "w")],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
        )
    ran = into_a_closed_pipe(program(module), *arguments, home=tmp_path, GREEN_WALLET_HOME=str(tmp_path / "w"))

    assert ran.stderr == b""
    assert ran.returncode == 0


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_prints_at_once_says_nothing_of_it_either(name, tmp_path):
    module, _ = PROGRAMS[name]
    ran = into_a_closed_pipe(program(module), "--help", home=tmp_path, PYTHONUNBUFFERED="1")

    assert (ran.returncode, ran.stderr) in {(0, b""), (CLOSED, b"")}


def test_an_exit_code_stays_what_it_is(tmp_path):
    # Not enrolled: needs attention.
    ran = into_a_closed_pipe(program("agent.cli"), "status", home=tmp_path)
    assert (ran.returncode, ran.stderr) == (1, b"")
    assert into_a_closed_pipe(program("agent.cli"), "fly", both=True, home=tmp_path).returncode == 64


def test_a_program_that_is_cut_short_ends_as_by_the_signal(tmp_path):
    code = "import sys; from schemas.pipes import quietly; sys.exit(quietly(lambda: print('x' * 10**6) or 0))"
    ran = into_a_closed_pipe(code, home=tmp_path)
    assert (ran.returncode, ran.stderr) == (CLOSED, b"")


def test_another_pipe_that_breaks_is_still_an_error():
    def broken():
        raise BrokenPipeError("a peer's")

    with pytest.raises(BrokenPipeError):
        quietly(broken)
