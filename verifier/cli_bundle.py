"""``green-verifier audit-bundle``: a period of a node in one file, made once, checked anywhere and years later."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from schemas import times
from schemas.errors import FormatError
from schemas.telemetry import NODE_ID
from verifier.audit import Progress, audit
from verifier.audit_bundle import open_bundle, write_bundle
from verifier.audit_issuer import MAX_PAGE_BYTES, PAGE_TIMEOUT_S, Period, refusal, take_windows
from verifier.audit_make import Collected, collect, complete, include
from verifier.cli_options import EXIT_CODES, moment_of, note, policy_of, read_file, settings_of, write_report
from verifier.errors import UsageError
from verifier.fetch import EgressClient
from verifier.moments import read_moment
from verifier.rdf.engines import default_engines
from verifier.settings import Settings

_EXAMPLES: Final = """\
examples:
  green-verifier audit-bundle make june/ --out june.zip
      collect credentials, receipts, records and evidence in one file, and fetch what else the credentials need
  green-verifier audit-bundle make --from-issuer https://issuer.example --api-key-file audit.key --node node-7 \\
      --from 2026-06-01 --to 2026-06-02 --out day.zip
      the same of all that the issuer has of a node's windows that ended on that day; --include DIR packs
      receipts and credentials besides
  green-verifier audit-bundle verify june.zip --trust-evidence
      check everything in it, without any network, as of the day it was made
  green-verifier audit-bundle verify june.zip --policy audit.toml --at 2031-01-01T00:00:00Z --json
      the same with pinned keys, as of another day, for a program

exit codes: 0 verified, 1 refused, 2 inconclusive (something is missing or could not be checked), 64 wrong usage
of make: 0 made, 1 the issuer refuses (401, 403, 404), 2 it cannot be reached or stays busy, 64 wrong usage
"""

_KEY: Final = re.compile(rb"gck_[A-Za-z0-9_-]{43}")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def add_bundle(bundle: argparse.ArgumentParser) -> None:
    """Describe the options of ``audit-bundle``."""
    bundle.epilog = _EXAMPLES
    bundle.formatter_class = argparse.RawDescriptionHelpFormatter
    actions = bundle.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_make(actions.add_parser("make", help="collect the files of a folder, or of an issuer, in one bundle"))
    verify = actions.add_parser("verify", help="check a bundle; nothing is fetched")
    verify.epilog = _EXAMPLES
    verify.formatter_class = argparse.RawDescriptionHelpFormatter
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


def _add_make(make: argparse.ArgumentParser) -> None:
    make.epilog = _EXAMPLES
    make.formatter_class = argparse.RawDescriptionHelpFormatter
    make.add_argument(
        "folder",
        metavar="DIR",
        type=Path,
        nargs="?",
        help="credentials, receipts, records, evidence; named as you like",
    )
    make.add_argument(
        "-o", "--out", metavar="FILE", type=Path, required=True, help="the bundle to write; it must not exist"
    )
    make.add_argument("--from-issuer", metavar="URL", help="instead of a folder: the issuer that has the windows")
    make.add_argument(
        "--api-key-file",
        metavar="FILE",
        type=Path,
        help="its API key with the scope read (green-issuer api-keys add); a tenant's opens windows of its own alone",
    )
    make.add_argument(
        "--include",
        metavar="FILE|DIR",
        type=Path,
        action="append",
        default=[],
        help="also pack this, such as receipts and credentials of inferences (repeatable); an issuer gives windows alone",
    )
    make.add_argument("--node", metavar="NODE", help="the node whose windows are wanted")
    make.add_argument("--from", dest="since", metavar="TIME", help="windows that end at or after this date or UTC time")
    make.add_argument("--to", dest="until", metavar="TIME", help="windows that end before this date or UTC time")
    make.add_argument("--offline", action="store_true", help="fetch nothing: the folder has all that is needed")
    make.add_argument("--development", action="store_true", help="also fetch from this machine, by http")
    make.add_argument("--json", action="store_true", help="write what was packed, and what is missing, as JSON")


def run_bundle(options: argparse.Namespace) -> int:
    """Make or check a bundle and return the exit code. Raises GreenError."""
    return _make(options) if options.action == "make" else _verify(options)


def _make(options: argparse.Namespace) -> int:
    settings = settings_of(options, os.environ)
    _check_source(options)
    if options.out.exists():
        raise UsageError(f"{options.out} exists already; a bundle is never overwritten")
    try:
        with tempfile.TemporaryDirectory(prefix="green-bundle-") as spool:
            return _make_of(options, settings, Path(spool))
    except OSError as error:
        raise UsageError(f"the bundle cannot be made: {error.strerror or error}") from error


def _make_of(options: argparse.Namespace, settings: Settings, spool: Path) -> int:
    failures: list[str] = []
    if options.from_issuer is None:
        collected = collect(options.folder)
    else:
        collected = Collected(spool=spool)
        failures += asyncio.run(_take(options, settings, collected))
    for path in options.include:
        include(collected, path)
    for name in collected.unknown:
        note(f"{name} is left out: it is nothing that belongs in a bundle")
    if not options.offline:
        client = EgressClient(
            development=settings.development, timeout_s=settings.fetch_timeout_s, max_bytes=settings.fetch_max_bytes
        )
        failures += asyncio.run(complete(collected, client))
    for failure in failures:
        note(f"not in the bundle: {failure}")
    created = times.render_seconds(datetime.now(UTC))
    manifest = write_bundle(options.out, collected.files, created=created)
    windows = sum(entry.kind == "window" for entry in manifest.files)
    if options.json:
        told = {"bundle": str(options.out), "created": created, "files": len(manifest.files), "windows": windows}
        sys.stdout.write(json.dumps(told | {"left_out": collected.unknown, "not_in_it": failures}) + "\n")
    else:
        sys.stdout.write(f"{options.out}: {len(manifest.files)} files, {windows} of them windows\n")
    return 0


def _check_source(options: argparse.Namespace) -> None:
    """Raise UsageError unless either a folder or an issuer is named, with what belongs to it."""
    of_issuer = {"--api-key-file": options.api_key_file, "--node": options.node}
    if options.from_issuer is None:
        given = [
            name for name, value in (of_issuer | {"--from": options.since, "--to": options.until}).items() if value
        ]
        if given:
            raise UsageError(f"{given[0]} is for --from-issuer URL")
        if options.folder is None:
            raise UsageError("say what to collect: a folder, or --from-issuer URL")
        return
    if options.folder is not None or options.offline:
        raise UsageError("--from-issuer takes no folder, and cannot be --offline")
    for name, value in of_issuer.items():
        if not value:
            raise UsageError(f"--from-issuer needs {name}")
    if not NODE_ID.fits(options.node):
        raise UsageError(f"--node: {ascii(options.node)[:70]} is no node id")


async def _take(options: argparse.Namespace, settings: Settings, collected: Collected) -> list[str]:
    client = EgressClient(
        development=settings.development,
        timeout_s=max(PAGE_TIMEOUT_S, settings.fetch_timeout_s),
        max_bytes=MAX_PAGE_BYTES,
        bearer=_key_in(options.api_key_file),
        refusal=refusal,
    )
    period = Period(options.node, _time(options.since, "--from"), _time(options.until, "--to"))
    with _progress(hidden=options.json) as progress:
        return await take_windows(options.from_issuer, period, client, collected, progress=progress)


def _key_in(path: Path) -> str:
    """Return the API key in a file. Raises UsageError; what is in the file is never shown."""
    key = read_file(path).strip()
    if not _KEY.fullmatch(key):
        raise UsageError(f"{path}: an API key is expected, gck_ and 43 characters, on one line")
    return key.decode("ascii")


def _time(text: str | None, option: str) -> str | None:
    """Return a date as it is, or a time in UTC. Raises UsageError."""
    if text is None or _DATE.fullmatch(text):
        return text
    try:
        return times.render_seconds(read_moment(text, option))
    except FormatError as error:
        raise UsageError(
            f"{option}: a date such as 2026-06-01 or a time such as 2026-06-01T00:00:00Z is read"
        ) from error


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
                tasks[what] = bars.add_task(what, total=total or None)
            bars.update(tasks[what], completed=done)  # type: ignore[arg-type]  # rich's own number of the task

        yield show
