"""The distribution that these packages were installed with: its version, and how to install what it lacks.

It is published on no index, where anybody could take its name: nothing here ever says to install it by name alone.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from typing import Any, Final

NAME: Final = "green-compute-oracle"
PACKAGES: Final = frozenset({"agent", "contexts", "did", "issuer", "schemas", "verifier", "wallet"})
"""What it installs."""
EXIT_INCOMPLETE: Final = 70
"""Exit code of a program that lacks a package (EX_SOFTWARE of sysexits.h)."""


def version() -> str:
    """Return the version by the metadata that was installed; of a bare checkout that there is none."""
    from importlib import metadata

    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        return "(not installed, so without a version)"


class ShowVersion(argparse.Action):
    """An option that shows program and version, which are looked up only then, and ends the program."""

    def __init__(self, option_strings: Sequence[str], dest: str = argparse.SUPPRESS, **_: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Show it. Raises SystemExit."""
        sys.stdout.write(f"{parser.prog} {version()}\n")
        parser.exit()


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra from where the distribution itself came from, by PEP 610."""
    from importlib import metadata

    try:
        origin = json.loads(metadata.distribution(NAME).read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:
        origin = {}
    if "url" not in origin:
        return f"pip install 'PATH[{extra}]', where PATH is the checkout or wheel that this was installed from"
    prefix = f"{origin['vcs_info']['vcs']}+" if "vcs_info" in origin else ""
    requirement = f"{NAME}[{extra}] @ {prefix}{origin['url']}"
    return f"pip install {shlex.quote(requirement)}"


def lacking(program: str, extra: str, error: ModuleNotFoundError) -> int:
    """Say on standard error which extra brings the module that is missing; return the exit code.

    Raises ``error`` again where the module is one of ours: then it is no extra that is missing.
    """
    module = (error.name or "").partition(".")[0]
    if module in PACKAGES:
        raise error
    sys.stderr.write(
        f"{program}: the package {module} is missing, which the extra {extra!r} brings: {how_to_install(extra)}\n"
    )
    return EXIT_INCOMPLETE
