"""One target for a given time: guided by coverage where atheris is installed, else by chance alone.

    python -m tests.fuzz.run NAME SECONDS [SEED]

What it finds is written to tests/fuzz/found/NAME/, where the tests take it up from then on, and told in a line that
begins with FOUND.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

FOUND: Final = Path(__file__).parent / "found"
CORPUS: Final = Path(".hypothesis") / "fuzz"
"""What reached something new, kept between runs; beside what hypothesis keeps, and as little worth."""

_PACKAGES: Final = [
    "agent",
    "contexts",
    "did",
    "issuer",
    "schemas",
    "verifier",
    "wallet",
    "pyld",
    "rfc8785",
    "jwcrypto",
]
_MAX_BYTES: Final = 64 * 1024
_HANG_S: Final = 30
_MEMORY_MB: Final = 2048
# Code that counts which of its branches were taken is so much slower.
_SLOWER: Final = 8
_OF_NO_ORIGIN: Final = 0.05

TryOne = Callable[[bytes], None]


def run(name: str, seconds: int, seed: int) -> None:
    """Try inputs on a target for so many seconds."""
    try:
        import atheris
    except ImportError:
        _by_chance(name, seconds, seed)
    else:
        _guided(atheris, name, seconds, seed)


def _guided(atheris, name: str, seconds: int, seed: int) -> None:
    with atheris.instrument_imports(include=_PACKAGES):
        from tests.fuzz.targets import TARGETS
    from tests.fuzz.mutation import edited, random_edits

    examples = [*TARGETS[name].examples()]
    corpus = CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    for raw in examples:
        (corpus / hashlib.sha256(raw).hexdigest()[:16]).write_bytes(raw)
    (FOUND / name).mkdir(parents=True, exist_ok=True)

    def mutate(raw: bytes, max_bytes: int, mutation_seed: int) -> bytes:
        random = Random(mutation_seed)
        # Its own mutations know what comparisons failed, ours what a document looks like.
        if random.random() < 0.5:
            return atheris.Mutate(raw, max_bytes)
        return edited(raw, random_edits(random), examples)[:max_bytes]

    options = [
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-max_len={_MAX_BYTES}",
        f"-timeout={_HANG_S}",
        f"-rss_limit_mb={_MEMORY_MB}",
        f"-artifact_prefix={FOUND / name}/",
        "-print_final_stats=1",
        "-verbosity=0",
        str(corpus),
    ]
    atheris.Setup([sys.argv[0], *options], _keeping(name, _SLOWER), custom_mutator=mutate)
    atheris.Fuzz()


def _by_chance(name: str, seconds: int, seed: int) -> None:
    from tests.fuzz.mutation import edited, random_edits
    from tests.fuzz.targets import TARGETS

    examples, random, tried = [*TARGETS[name].examples()], Random(seed), 0
    try_one, until_s = _keeping(name), time.monotonic() + seconds
    while time.monotonic() < until_s:
        if random.random() < _OF_NO_ORIGIN:
            raw = random.randbytes(random.randrange(200))
        else:
            raw = edited(random.choice(examples), random_edits(random), examples)
        try_one(raw[:_MAX_BYTES])
        tried += 1
    print(f"{name}: {tried} inputs, seed {seed}")


def _keeping(name: str, slower: int = 1) -> TryOne:
    """Return a function that tries one input, and keeps the first of each kind of finding."""
    from tests.fuzz.targets import TARGETS, FindingError, check

    tried, kinds = replace(TARGETS[name], cpu_s=TARGETS[name].cpu_s * slower), set()

    def try_one(raw: bytes) -> None:
        try:
            check(tried, raw)
        except FindingError as error:
            kind = (type(error.__cause__).__name__, str(error)[:60])
            if kind in kinds:
                return
            kinds.add(kind)
            place = FOUND / name / hashlib.sha256(raw).hexdigest()[:16]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(raw)
            print(f"FOUND {place}: {error}", flush=True)

    return try_one


if __name__ == "__main__":
    target, length, *given = sys.argv[1:]
    run(target, int(length), int(given[0]) if given else int(time.time()))
