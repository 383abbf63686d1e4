"""``green-verifier audit-bundle``: a period of a node in one file, made once, checked anywhere and years later."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from schemas import times
from schemas.errors import FormatError
from verifier.audit import Progress, audit
from verifier.audit_bundle import open_bundle, write_bundle
from verifier.audit_make import collect, complete
from verifier.cli_options import EXIT_CODES, moment_of, note, policy_of, settings_of, write_report
from verifier.engines import default_engines
from verifier.errors import UsageError
from verifier.fetch import EgressClient

_EXAMPLES: Final = """\
examples:
  green-verifier audit-bundle make june/ --out june.zip
      collect credentials, receipts, records and evidence in one file, and fetch what else the credentials need
  green-verifier audit-bundle verify june.zip --trust-evidence
      check everything in it, without any network, as of the day it was made
  green-verifier audit-bundle verify june.zip --policy audit.toml --at 2031-01-01T00:00:00Z --json
      the same with pinned keys, as of another day, for a program

exit codes: 0 verified, 1 refused, 2 inconclusive (something is missing or could not be checked), 64 wrong usage
"""


def add_bundle(bundle: argparse.ArgumentParser) -> None:
    """Describe the options of ``audit-bundle``."""
    bundle.epilog = _EXAMPLES
    bundle.formatter_class = argparse.RawDescriptionHelpFormatter
    actions = bundle.add_subparsers(dest="action", required=True, metavar="ACTION")
    make = actions.add_parser("make", help="collect the files of a folder in one bundle")
    make.add_argument(
        "folder", metavar="DIR", type=Path, help="credentials, receipts, records, evidence; named as you like"
    )
    make.add_argument("--out", metavar="FILE", type=Path, required=True, help="the bundle to write; it must not exist")
    make.add_argument("--offline", action="store_true", help="fetch nothing: the folder has all that is needed")
    make.add_argument("--development", action="store_true", help="also fetch from this machine, by http")
    verify = actions.add_parser("verify", help="check a bundle; nothing is fetched")
    verify.add_argument("bundle", metavar="BUNDLE", type=Path, help="the file that make wrote")
    verify.add_argument("--json", action="store_true", help="write the report as JSON")
    verify.add_argument("--policy", metavar="FILE", type=Path, help="whom to trust and what to demand (TOML or JSON)")
    verify.add_argument(
        "--trust-evidence", action="store_true", help="believe the DID documents in it without a pinned key"
    )
    verify.add_argument(
        "--at", metavar="TIME", help="the verdict as of TIME (default: when the bundle says it was made)"
    )
    verify.add_argument("--allow-simulated", action="store_true", help="accept figures that nobody measured")


def run_bundle(options: argparse.Namespace) -> int:
    """Make or check a bundle and return the exit code. Raises GreenError."""
    return _make(options) if options.action == "make" else _verify(options)


def _make(options: argparse.Namespace) -> int:
    settings = settings_of(options, os.environ)
    if options.out.exists():
        raise UsageError(f"{options.out} exists already; a bundle is never overwritten")
    collected = collect(options.folder)
    for name in collected.unknown:
        note(f"{name} is left out: it is nothing that belongs in a bundle")
    if not options.offline:
        client = EgressClient(
            development=settings.development, timeout_s=settings.fetch_timeout_s, max_bytes=settings.fetch_max_bytes
        )
        for failure in asyncio.run(complete(collected, client)):
            note(f"not in the bundle: {failure}")
    created = times.render_seconds(datetime.now(UTC))
    manifest = write_bundle(options.out, collected.files, created=created)
    windows = sum(entry.kind == "window" for entry in manifest.files)
    sys.stdout.write(f"{options.out}: {len(manifest.files)} files, {windows} of them windows\n")
    return 0


def _verify(options: argparse.Namespace) -> int:
    settings = settings_of(options, os.environ)
    policy = policy_of(options, settings)
    with open_bundle(options.bundle) as bundle, _progress(hidden=options.json) as progress:
        now = moment_of(options.at) if options.at is not None else _created(bundle.manifest.created)
        report = audit(bundle, policy, now, engines=default_engines(), progress=progress)
    # Imported here, since a program that asks for JSON should not wait for it.
    from verifier.render_audit import show_audit

    write_report(report, lambda stream: show_audit(report, stream), as_json=options.json)
    return EXIT_CODES[report.outcome]


def _created(text: str) -> datetime:
    try:
        return times.parse_seconds(text)
    except FormatError as error:
        raise UsageError("the bundle does not say when it was made: say with --at for which day to check it") from error


@contextmanager
def _progress(*, hidden: bool) -> Iterator[Progress]:
    """Give what shows the progress on standard error, where that is a terminal."""
    if hidden or not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars

    with Bars(console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, int] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)  # type: ignore[arg-type]  # rich's own number of the task

        yield show
