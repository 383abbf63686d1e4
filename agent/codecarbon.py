"""CodeCarbon's ``emissions.csv`` (versions 2 and 3), read as runs that a posted record can state. Pure.

Columns: https://mlco2.github.io/codecarbon/output.html. Of a run count its id, its end (``timestamp``, local time without
a zone), its length and its energy. Its carbon is never taken over: the issuer computes that. Energies hold CodeCarbon's
``pue`` already, which is divided out, since the issuer applies the node's own.

A line is a row: CodeCarbon writes no line breaks into fields, so a broken row never takes others with it. Rows of one
run are its states so far (``flush`` appends them), so the longest counts.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from agent.errors import SettingsError
from agent.measurement import Measurement
from agent.meters.protocol import Method
from schemas import decimals, telemetry
from schemas.errors import FormatError

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_LINE_CHARACTERS: Final = 16 * 1024
MAX_AGE: Final = timedelta(days=7)
"""Of a record that the issuer takes."""

PREFIX: Final = "codecarbon:"
"""An inference id begins with it, so that a credential says where its figure came from."""

DEFAULT_PROJECT: Final = "codecarbon"

_AHEAD: Final = timedelta(seconds=60)
_MAX_KWH: Final = 10**6
_MAX_PUE: Final = 10
_NUMBER: Final = re.compile(r"[0-9]{1,18}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?", re.ASCII)
_SHOWN: Final = 40

Energy: TypeAlias = Literal["gpu", "total"]
"""Which energy becomes acceleratorActiveKwh: the GPUs', or that of CPU and memory too."""

Zone: TypeAlias = Callable[[datetime], datetime]
"""Returns UTC of a local time, whose ``fold`` counts."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: the line of its last state, its id, the record's names, and what was measured."""

    line: int
    run_id: str
    model_id: str
    measurement: Measurement

    @property
    def inference_id(self) -> str:
        """The record's inference id."""
        return PREFIX + self.run_id


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that is not taken, and why."""

    line: int
    reason: str


@dataclass(slots=True)
class Runs:
    """What a file holds. ``earlier`` is how many rows are earlier states of the runs."""

    runs: list[Run] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    earlier: int = 0


class _RowError(Exception):
    """Why a row is not taken."""


def read_runs(
    content: bytes, *, now: datetime, zone: Zone, model_id: str | None = None, energy: Energy = "gpu"
) -> Runs:
    """Return the runs of a file, in its order, and the lines that are none.

    Raises SettingsError where it is no file of runs at all.
    """
    if len(content) > MAX_FILE_BYTES:
        raise SettingsError(f"the file has more than {MAX_FILE_BYTES} bytes; split it, each part with its first line")
    lines = content.decode("utf-8-sig", errors="replace").split("\n")
    header = _header(lines[0].removesuffix("\r"), energy)
    rows = _Rows(header, now, zone, model_id, energy)
    for number, line in enumerate(lines[1:], start=2):
        rows.add(number, line.removesuffix("\r"))
    return rows.result()


class _Rows:
    def __init__(self, header: list[str], now: datetime, zone: Zone, model_id: str | None, energy: Energy) -> None:
        self._header, self._now, self._zone = header, now, zone
        self._model_id, self._energy = model_id, energy
        self._runs: dict[str, Run] = {}
        self._torn: dict[str, int] = {}
        self._found = Runs()

    def add(self, number: int, line: str) -> None:
        """Take a line."""
        if not line.strip():
            return
        try:
            cells = _cells(line)
            if cells == self._header:
                return
            self._take(self._run(number, self._row(cells)))
        except _RowError as error:
            self._found.refused.append(Refusal(number, str(error)))

    def _row(self, cells: list[str]) -> dict[str, str]:
        if len(cells) != len(self._header):
            raise _RowError(f"{len(cells)} fields, the first line has {len(self._header)}")
        return dict(zip(self._header, cells, strict=True))

    def result(self) -> Runs:
        """Return all that was found."""
        self._found.runs = sorted(self._runs.values(), key=lambda run: run.line)
        self._found.refused.sort(key=lambda refusal: refusal.line)
        return self._found

    def _take(self, run: Run) -> None:
        before = self._runs.get(run.run_id)
        if run.run_id in self._torn:
            raise _RowError(f"the run of line {self._torn[run.run_id]} again; see there")
        if before is None:
            self._runs[run.run_id] = run
            return
        first, last = sorted((before, run), key=lambda one: (one.measurement.duration_us, one.line))
        if not _goes_on(first.measurement, last.measurement):
            # Which of the two is true is not ours to say.
            self._torn[run.run_id] = before.line
            del self._runs[run.run_id]
            self._found.refused.append(Refusal(before.line, f"line {run.line} is of the same run and contradicts it"))
            raise _RowError(f"the run of line {before.line}, which it contradicts: neither goes on from the other")
        self._found.earlier += 1
        self._runs[run.run_id] = last

    def _run(self, number: int, row: dict[str, str]) -> Run:
        run_id, model_id = row["run_id"], self._model_id or row.get("project_name", "")
        if model_id == DEFAULT_PROJECT and not self._model_id:
            raise _RowError("the project has CodeCarbon's default name: say which model ran, with --model")
        try:
            telemetry.INFERENCE_ID.check(PREFIX + run_id if run_id else "", "run_id")
            telemetry.MODEL_ID.check(model_id, "model id")
            telemetry.check_new_names(model_id, PREFIX + run_id)
        except FormatError as error:
            raise _RowError(error.detail) from error
        end = self._end(row["timestamp"])
        duration_us = _duration_us(row["duration"])
        end_ns = (end - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
        measurement = Measurement(
            measured_mj=self._energy_mj(row),
            estimated_mj=0,
            start_wall_ns=end_ns - duration_us * 1000,
            end_wall_ns=end_ns,
            duration_us=duration_us,
            method=self._method(row),
        )
        return Run(number, run_id, model_id, measurement)

    def _end(self, text: str) -> datetime:
        if not _TIME.fullmatch(text):
            raise _RowError(f"timestamp: {_shown(text)} is no time such as 2026-11-20T20:00:04")
        try:
            local = datetime.fromisoformat(text)
            first, second = self._zone(local.replace(fold=0)), self._zone(local.replace(fold=1))
        except (ValueError, OverflowError) as error:
            raise _RowError(f"timestamp: {_shown(text)} is no time of the calendar") from error
        if first != second:
            raise _RowError(
                f"timestamp: {text} is twice or never in this zone (the clocks were changed); if it was written in "
                "another one, give --timezone"
            )
        if first > self._now + _AHEAD:
            raise _RowError(f"timestamp: {text} has not come yet; was it written in another zone? give --timezone")
        if first < self._now - MAX_AGE:
            raise _RowError(
                f"timestamp: {text} is more than {MAX_AGE.days} days ago, and the issuer takes no older records; import "
                "files within that time, and send them"
            )
        return first

    def _energy_mj(self, row: dict[str, str]) -> int:
        name = "gpu_energy" if self._energy == "gpu" else "energy_consumed"
        value = _number(row[name], name) if row[name] else Decimal(0)
        pue = _number(row["pue"], "pue") if row.get("pue") else Decimal(1)
        if value >= _MAX_KWH:
            raise _RowError(f"{name}: {_shown(row[name])} kWh is no run's energy")
        if not 1 <= pue <= _MAX_PUE:
            raise _RowError(f"pue: {_shown(row['pue'])} is not between 1 and {_MAX_PUE}")
        millijoules = decimals.multiply(value, Decimal(decimals.MJ_PER_KWH))
        energy_mj = int(decimals.divide(millijoules, pue, 0))
        if energy_mj:
            return energy_mj
        if self._energy == "gpu":
            raise _RowError("no gpu_energy: no GPU was measured (--energy total takes CPU and memory, as modelled)")
        raise _RowError(f"no {name}: nothing was measured")

    def _method(self, row: dict[str, str]) -> Method:
        """Return the grade: readings summed up for the whole machine, or a model of one process's share."""
        return "integrated" if self._energy == "gpu" and row.get("tracking_mode") == "machine" else "modelled"


def _goes_on(first: Measurement, last: Measurement) -> bool:
    """Return whether a run may have come from one state to the other: nothing of it becomes less."""
    return last.energy_mj >= first.energy_mj and last.end_wall_ns >= first.end_wall_ns


def _header(line: str, energy: Energy) -> list[str]:
    try:
        header = _cells(line)
    except _RowError as error:
        raise SettingsError(f"line 1: {error}") from error
    needed = ("timestamp", "run_id", "duration", "gpu_energy" if energy == "gpu" else "energy_consumed")
    missing = [name for name in needed if header.count(name) != 1]
    if missing:
        raise SettingsError(
            f"the file's first line does not name {', '.join(missing)} once: it is no emissions.csv of CodeCarbon"
        )
    if "task_name" in header:
        raise SettingsError("the file is one of tasks, which are parts of runs; import the run's emissions.csv")
    return header


def _cells(line: str) -> list[str]:
    if len(line) > MAX_LINE_CHARACTERS:
        raise _RowError(f"the line has more than {MAX_LINE_CHARACTERS} characters")
    try:
        rows: Iterable[list[str]] = csv.reader([line], strict=True)
        return next(iter(rows), [])
    except csv.Error as error:
        raise _RowError(f"no CSV: {error}") from error


def _number(text: str, name: str) -> Decimal:
    """Return an exact value: never by way of a float."""
    if not _NUMBER.fullmatch(text):
        raise _RowError(f"{name}: {_shown(text)} is no number from 0 on")
    return Decimal(text)


def _duration_us(text: str) -> int:
    seconds = _number(text, "duration")
    if seconds > telemetry.MAX_DURATION_S:
        raise _RowError(
            f"duration: {_shown(text)} s are more than the 24 hours that a record covers; track long work as several runs"
        )
    duration_us = int(decimals.round_half_even(seconds.scaleb(6), 0))
    if not duration_us:
        raise _RowError("duration: the run took no time")
    return duration_us


def _shown(text: str) -> str:
    return ascii(text[:_SHOWN])
