"""What several commands of ``green-verifier`` read from their options, and how they write what they found."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol, TextIO

import msgspec

from verifier import document
from verifier.errors import UsageError
from verifier.moments import read_moment
from verifier.policy import Policy, read_policy
from verifier.report import Outcome
from verifier.settings import SETTINGS_FILE, Settings, read_settings
from verifier.visible import visible

EXIT_CODES: Final = {Outcome.VERIFIED: 0, Outcome.REFUSED: 1, Outcome.INCONCLUSIVE: 2}


def settings_of(options: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    """Return the settings of the environment and of the file that it or an option names. Raises UsageError."""
    file = getattr(options, "settings", None) or environment.get(SETTINGS_FILE)
    settings = read_settings(environment, read_file(Path(file)) if file else None)
    if getattr(options, "development", False):
        return msgspec.structs.replace(settings, development=True)
    return settings


def policy_of(options: argparse.Namespace, settings: Settings) -> Policy:
    """Return the policy of the file that is named, with the options on top. Raises UsageError."""
    file = options.policy or settings.policy
    policy = read_policy(read_file(Path(file))) if file else Policy()
    return msgspec.structs.replace(
        policy,
        allow_simulated=policy.allow_simulated or settings.allow_simulated or options.allow_simulated,
        trust_evidence=policy.trust_evidence or options.trust_evidence,
    )


def moment_of(at: str | None) -> datetime:
    """Return the time of a verdict, now where none is given. Raises UsageError."""
    now = datetime.now(UTC)
    if at is None:
        return now
    moment = read_moment(at, "--at")
    if moment > now:
        note("--at lies in the future, and nobody knows yet what will be revoked by then")
    return moment


def read_file(path: Path) -> bytes:
    """Return the bytes of a file, no more than any document may have. Raises UsageError."""
    try:
        with path.open("rb") as file:
            return file.read(document.MAX_PRESENTATION_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def note(text: str) -> None:
    """Tell the user something on standard error, where no program reads."""
    sys.stderr.write(f"green-verifier: note: {visible(text)}\n")


class Written(Protocol):
    """What a command writes in the end."""

    def to_json(self) -> bytes:
        """Return its canonical JSON."""
        ...


def write_report(report: Written, show: Callable[[TextIO], None], *, as_json: bool) -> None:
    """Write a report on standard output, as JSON or by ``show``. Who reads no further changes no verdict."""
    try:
        _write(report, show, as_json=as_json)
    except BrokenPipeError:
        # `| head -1` has not changed the verdict. Python would complain again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(report: Written, show: Callable[[TextIO], None], *, as_json: bool) -> None:
    if not as_json:
        # A terminal that knows no "✓" gets its code: a traceback would leave with 1, which means refused.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        show(sys.stdout)
        sys.stdout.flush()
    elif sys.stdout.isatty():
        # The same JSON in ASCII: what a stranger wrote must not steer the terminal.
        sys.stdout.write(json.dumps(json.loads(report.to_json())) + "\n")
    else:
        sys.stdout.buffer.write(report.to_json() + b"\n")
        sys.stdout.flush()
