"""``export esrs``: energy and emissions of a period for ESRS E1 and the GHG Protocol, written as it is made."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

from issuer.cli.arguments import Commands, moment, slug
from issuer.cli.known import check_tenant
from issuer.cli.opened import opened
from issuer.cli.output import Answer
from issuer.reports.esrs import KINDS, PER, Progress, Question, csv_report, json_report
from issuer.reports.periods import GRANULARITIES, Period, read_period
from issuer.settings import SettingsError
from schemas.errors import MalformedValueError

_PROGRESS_FROM: Final = 25
_LINES_OF_A_LOG: Final = 100


def register(commands: Commands) -> None:
    """Add the commands of this module."""
    group = commands.group(
        "export", "tables for a report", example="green-issuer export esrs --tenant acme --period 2026-10"
    )
    parser = group.add(
        "esrs",
        _esrs,
        summary="energy and emissions by slot, region, factor and method (ESRS E1-5, E1-6, GHG Protocol), as CSV or JSON",
        example="green-issuer export esrs --tenant acme --period 2026-10 --granularity hour --output 2026-10.csv",
    )
    parser.add_argument("--tenant", type=slug, help="only this tenant's (default: of all together)")
    parser.add_argument(
        "--period", type=_period, help="year, quarter, month or day of UTC: 2026, 2026-Q4, 2026-10, 2026-10-21"
    )
    parser.add_argument("--since", type=moment, help="where it begins, in place of --period: a date or a UTC time")
    parser.add_argument("--until", type=moment, help="where it ends, itself not in it")
    parser.add_argument(
        "--granularity",
        choices=GRANULARITIES,
        default="month",
        help="the slots; energy is split at their edges (default: month)",
    )
    parser.add_argument(
        "--per", choices=PER, action="append", default=[], help="rows for each of them; may be given again"
    )
    parser.add_argument("--model", help="only this model's")
    parser.add_argument(
        "--kind",
        choices=KINDS,
        default="measured",
        help="simulated: simulated figures and no others (default: measured)",
    )
    parser.add_argument("--output", metavar="FILE", help="where it is written (default: standard output)")


async def _esrs(arguments: argparse.Namespace) -> Answer:
    question = Question(
        tenant_id=arguments.tenant,
        period=_asked(arguments),
        granularity=arguments.granularity,
        model_id=arguments.model,
        per=tuple(arguments.per),
        kind=arguments.kind,
    )
    async with opened(arguments) as issuer:
        await check_tenant(issuer.store, arguments.tenant)
        report = json_report if arguments.json else csv_report
        with _output(arguments.output) as output:
            await _write(report(issuer.store, question, _show), output)
    # Written already, as it came.
    return Answer(value=None)


async def _write(chunks: AsyncIterator[bytes], output: BinaryIO) -> None:
    async for chunk in chunks:
        output.write(chunk)
    output.flush()


@contextmanager
def _output(name: str | None) -> Iterator[BinaryIO]:
    if name is None:
        yield sys.stdout.buffer
        return
    try:
        with open(name, "xb") as file:  # noqa: PTH123 - "x": nobody's file is written over
            yield file
    except FileExistsError as error:
        raise SettingsError(f"--output: {name} is there already; name another file, or move it away") from error
    except OSError as error:
        raise SettingsError(f"--output: {name} cannot be written: {error.strerror}") from error


def _asked(arguments: argparse.Namespace) -> Period:
    """Return the period that was asked for. Raises SettingsError unless it is given in one way."""
    given = (arguments.since, arguments.until)
    if arguments.period is not None and given == (None, None):
        period: Period = arguments.period
        return period
    if arguments.period is None and None not in given:
        return Period(*given)
    raise SettingsError("give the period as --period 2026-10, or with both --since and --until")


def _period(text: str) -> Period:
    try:
        return read_period(text)
    except MalformedValueError as error:
        raise argparse.ArgumentTypeError(error.detail) from error


def _show(progress: Progress) -> None:
    """Say how far a long one is: one line that is written over for people, now and then a line for a log."""
    if progress.slots < _PROGRESS_FROM:
        return
    line = f"slot {progress.done} of {progress.slots}"
    is_last = progress.done == progress.slots
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{line}" + ("\n" if is_last else ""))
    elif is_last or progress.done % _LINES_OF_A_LOG == 0:
        sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
