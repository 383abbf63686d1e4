"""The way into ``green-issuer``, also where the issuer's extra is not installed.

Exit codes: 0 done, 1 refused (the reason is on standard error), 64 wrong usage, 70 internal error or a missing extra.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from schemas.distribution import lacking, version
from schemas.pipes import quietly


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. The base distribution has this command too, and not what it needs."""
    given = sys.argv[1:] if argv is None else argv
    try:
        from issuer.cli.program import run
    except ModuleNotFoundError as error:
        if [*given] == ["--version"]:
            sys.stdout.write(f"green-issuer {version()}\n")
            return 0
        return lacking("green-issuer", "issuer", error)
    return quietly(lambda: run(given))
