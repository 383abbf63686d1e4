"""Every parser of untrusted bytes against mutated examples, in short; `make fuzz` goes on for as long as it is told."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.errors import ParsingError
from tests.fuzz.strategies import inputs
from tests.fuzz.target import FindingError, Target, check
from tests.fuzz.targets import TARGETS
from tests.vectors import ROOT

FOUND = Path(__file__).parent / "found"
_MOST_GROWTH_KB = 256 * 1024

short = settings(
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[*HealthCheck],
)


def _peak_kb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_input_breaks_a_parser_or_an_invariant(name):
    tried = TARGETS[name]
    before_kb = _peak_kb()

    @settings(short, max_examples=tried.inputs)
    @given(raw=inputs([*tried.examples()]))
    def try_one(raw):
        check(tried, raw)

    try_one()
    assert _peak_kb() - before_kb < _MOST_GROWTH_KB


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_fuzzer_begins_with_what_the_parser_takes(name):
    tried = TARGETS[name]
    # Without one, all mutations would end at the first check.
    assert "taken" in {check(tried, raw) for raw in tried.examples()}


def _found():
    return sorted(path for path in FOUND.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", _found(), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_the_fuzzer_found_once_is_mended(path):
    check(TARGETS[path.parent.name], path.read_bytes())


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError(), ValueError("x"), AssertionError("not equal")])
def test_a_parser_that_raises_anything_else_is_a_finding(error):
    def broken(raw):
        raise error

    with pytest.raises(FindingError):
        check(Target("broken", broken, list), b"")


def test_a_parser_that_takes_too_long_is_a_finding():
    def slow(raw):
        return [number * number for number in range(200_000)]

    with pytest.raises(FindingError, match="CPU"):
        check(Target("slow", slow, list, cpu_s=0.001), b"")


def test_a_refusal_is_no_finding():
    def refusing(raw):
        raise ParsingError("not JSON")

    assert check(Target("refusing", refusing, list), b"") == "PARSING_ERROR"


def test_a_weak_spot_one_edit_away_is_found():
    def weak(raw):
        if b"\xed\xa0\x80" in raw:
            raise KeyError(raw)

    @settings(short, max_examples=2000)
    @given(raw=inputs([b'{"a": "b"}']))
    def try_one(raw):
        check(Target("weak", weak, list), raw)

    with pytest.raises(FindingError):
        try_one()


@given(st.data())
@settings(short, max_examples=1)
def test_the_strategies_draw_bytes(data):
    assert isinstance(data.draw(inputs([b"{}"])), bytes)


def test_a_target_that_there_is_not_is_answered_with_those_that_there_are():
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "nosuch"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no such target: nosuch" in done.stderr
    assert all(name in done.stderr for name in TARGETS)
