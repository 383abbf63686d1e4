"""What a target of the fuzzer is: a parser of untrusted bytes, and what must hold of everything that it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from schemas.errors import GreenError

CPU_S: Final = 1.0
"""CPU time that one input may cost."""

Run = Callable[[bytes], object]


class FindingError(AssertionError):
    """An input that does what no input may do."""


@dataclass(frozen=True)
class Target:
    """A parser and its invariants under one name.

    ``run`` takes bytes and raises GreenError where the parser refuses them; it asserts what must hold of what the
    parser takes. ``examples`` are valid inputs. ``cpu_s`` bounds what one input may cost, ``inputs`` is how many
    the short run tries.
    """

    name: str
    run: Run
    examples: Callable[[], Sequence[bytes]]
    cpu_s: float = CPU_S
    inputs: int = 150


TARGETS: Final[dict[str, Target]] = {}
"""All targets by name, filled when ``tests.fuzz.targets`` is imported."""


def target(
    name: str, examples: Callable[[], Sequence[bytes]], *, cpu_s: float = CPU_S, inputs: int = 150
) -> Callable[[Run], Run]:
    """Register a function as the target ``name``."""

    def register(run: Run) -> Run:
        TARGETS[name] = Target(name, run, examples, cpu_s, inputs)
        return run

    return register


def check(tried: Target, raw: bytes) -> str:
    """Return what became of ``raw``: the name of the refusal, or "taken".

    Raises FindingError for any other exception, a broken invariant, and more CPU time than the target allows.
    """
    started_s = time.thread_time()
    try:
        tried.run(raw)
        outcome = "taken"
    except GreenError as error:
        outcome = error.name
        if not error.detail or not isinstance(error.detail, str):
            raise FindingError(f"{tried.name}: {type(error).__name__} says nothing") from error
    except AssertionError as error:
        raise FindingError(f"{tried.name}: an invariant does not hold: {error}") from error
    except Exception as error:
        raise FindingError(f"{tried.name}: {type(error).__name__}: {error}") from error
    spent_s = time.thread_time() - started_s
    if spent_s > tried.cpu_s:
        raise FindingError(f"{tried.name}: {spent_s:.2f} s of CPU for {len(raw)} bytes")
    return outcome


def text_of(raw: bytes) -> str:
    """Return bytes as the text that a parser of strings gets: JSON carries any Unicode, never a lone surrogate."""
    return raw.decode("utf-8", "replace")
