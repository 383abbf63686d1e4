"""Readings from a file, given again at the pace at which they were recorded; and the writing of such files.

A JSON object a line: first the header, then readings in the order of their times.

    {"v":1,"synthetic":false,"made_by":"green-agent 0.1.0","meters":[{"name":"nvml-counter","device":"GPU-…",…}]}
    {"meter":0,"t_ns":0,"energy_mj":812345,"power_mw":71000,"utilization_percent":0,"held":true}
    {"meter":0,"t_ns":1000112233,"failed":true}

Whatever the file says, what is given again was not measured now: a replay always counts as simulated.
``synthetic`` tells whether the file itself was invented.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from agent.clock import Clock
from agent.errors import MeterUnavailableError, ReadingFailedError
from agent.files import write_file
from agent.meters.protocol import Boundary, HostMeter, Meter, Method, Reading, Scope, Unit
from agent.version import AGENT

_MAX_BYTES: Final = 64 * 1024 * 1024
_NS_PER_S: Final = 1_000_000_000

_Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Recorded(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One meter of a file. ``boundary`` is None for an accelerator."""

    name: str
    device: str
    model: str
    scope: Scope
    method: Method
    period_s: Annotated[float, Meta(gt=0, le=3600)]
    simulated: bool = False
    boundary: Boundary | None = None


class Header(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line. ``synthetic``: the figures were invented, by whoever ``made_by`` names."""

    v: Literal[1]
    synthetic: bool
    made_by: str
    meters: Annotated[tuple[Recorded, ...], Meta(min_length=1, max_length=256)]


class Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A reading: ``t_ns`` since the beginning, ``meter`` counts the header's meters from 0; or that there was none."""

    meter: _Count
    t_ns: _Count
    energy_mj: _Count | None = None
    power_mw: _Count | None = None
    utilization_percent: Annotated[int, Meta(ge=0, le=100)] | None = None
    held: bool | None = None
    epoch: _Count = 0
    estimated_mj: _Count = 0
    failed: bool = False


# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
_HEADERS: Final = msgspec.json.Decoder(Header)
_LINES: Final = msgspec.json.Decoder(Line)
_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Recording:
    """A file, read: the header, and each meter's readings in the order of time."""

    header: Header
    readings: tuple[tuple[Line, ...], ...]


class ReplayMeter:
    """One meter of a recording, from the moment at which it is made."""

    unit: Unit = "mJ"
    simulated = True

    def __init__(self, recorded: Recorded, lines: Sequence[Line], clock: Clock, *, loop: bool = True) -> None:
        """Give ``lines`` again, over and over if ``loop``; a counter that was not set back in the file goes on."""
        self.name = f"replay {recorded.name}"
        self.device = recorded.device
        self.model = recorded.model
        self.scope: Scope = recorded.scope
        self.method: Method = recorded.method
        self.period_s = recorded.period_s
        self._lines = tuple(lines)
        self._times = [line.t_ns for line in lines]
        self._clock = clock
        self._loop = loop
        self._begin_ns = clock.boottime_ns()
        self._begin_wall_ns = clock.wall_ns()
        good = [line for line in lines if not line.failed]
        self._epochs = max((line.epoch for line in good), default=0) + 1
        self._whole = self._epochs == 1
        self._round_mj = (good[-1].energy_mj or 0) - (good[0].energy_mj or 0) if good else 0
        self._round_estimated_mj = good[-1].estimated_mj - good[0].estimated_mj if good else 0

    def read(self) -> Reading:
        """Return the reading of this moment of the recording. Raises ReadingFailedError where there was none."""
        elapsed_ns = self._clock.boottime_ns() - self._begin_ns
        length_ns = max(self._times[-1], 1)
        turn = elapsed_ns // length_ns if self._loop else 0
        if not self._loop and elapsed_ns > length_ns:
            raise ReadingFailedError(f"the recording of {self.device} has ended; replay_loop = true begins it again")
        line = self._lines[max(0, bisect_right(self._times, elapsed_ns - turn * length_ns) - 1)]
        if line.failed:
            raise ReadingFailedError(f"{self.device} gave no reading when it was recorded")
        at_ns = turn * length_ns + line.t_ns
        return Reading(
            device=self.device,
            boottime_ns=self._begin_ns + at_ns,
            wall_ns=self._begin_wall_ns + at_ns,
            energy_mj=None if line.energy_mj is None else line.energy_mj + self._again(turn, self._round_mj),
            power_mw=line.power_mw,
            utilization_percent=line.utilization_percent,
            held=line.held,
            epoch=line.epoch + (0 if self._whole else turn * self._epochs),
            estimated_mj=line.estimated_mj + self._again(turn, self._round_estimated_mj),
        )

    def close(self) -> None:
        """Do nothing: the file was read whole."""

    def _again(self, turn: int, round_mj: int) -> int:
        return turn * round_mj if self._whole else 0


def read(path: Path) -> Recording:
    """Return the recording in a file of at most 64 MB. Raises MeterUnavailableError, naming the line."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise MeterUnavailableError(f"replay_file: {path} has more than {_MAX_BYTES} bytes")
        first, *rest = path.read_bytes().splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is empty"
        raise MeterUnavailableError(f"replay_file: {path} cannot be read: {reason}") from error
    number = 0
    try:
        header = _HEADERS.decode(first)
        readings: list[list[Line]] = [[] for _ in header.meters]
        for line in rest:
            number += 1
            _add(readings, _LINES.decode(line))
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise MeterUnavailableError(
            f"replay_file: {path}, line {number + 1}: {ascii(str(error))[1:-1][:160]}"
        ) from error
    if not all(readings):
        raise MeterUnavailableError(f"replay_file: {path} has a meter without readings")
    return Recording(header, tuple(map(tuple, readings)))


def _add(readings: list[list[Line]], line: Line) -> None:
    if line.meter >= len(readings):
        raise ValueError(f"meter {line.meter} is none of the header's")
    own = readings[line.meter]
    if own and line.t_ns <= own[-1].t_ns:
        raise ValueError("t_ns must grow")
    if not line.failed and line.energy_mj is None:
        raise ValueError("a reading has energy_mj, or failed")
    own.append(line)


def accelerators(recording: Recording, clock: Clock, *, loop: bool) -> tuple[Meter, ...]:
    """Return the meters of the recording's accelerators."""
    return tuple(
        ReplayMeter(recorded, lines, clock, loop=loop)
        for recorded, lines in zip(recording.header.meters, recording.readings, strict=True)
        if recorded.boundary is None
    )


def host(recording: Recording, clock: Clock, *, loop: bool) -> tuple[HostMeter, ...]:
    """Return the meters of the recording's host."""
    return tuple(
        HostMeter(recorded.boundary, ReplayMeter(recorded, lines, clock, loop=loop), moves=recorded.boundary != "node")
        for recorded, lines in zip(recording.header.meters, recording.readings, strict=True)
        if recorded.boundary is not None
    )


def record(
    path: Path,
    meters: Sequence[tuple[Meter, Boundary | None]],
    clock: Clock,
    seconds: float,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Read ``meters`` for so long, each as often as it wants, write the file, and return the number of readings.

    Raises OSError, and MeterUnavailableError where a meter never gave a reading.
    """
    start_ns = clock.boottime_ns()
    lines: list[Line] = []
    due_ns = [start_ns] * len(meters)
    while (now_ns := clock.boottime_ns()) - start_ns <= seconds * _NS_PER_S:
        for index, (meter, _) in enumerate(meters):
            if due_ns[index] <= now_ns:
                lines.append(_line(meter, index, clock, start_ns))
                due_ns[index] += int(meter.period_s * _NS_PER_S)
        sleep(max(0.0, (min(due_ns) - clock.boottime_ns()) / _NS_PER_S))
    lines = _rising(lines)
    for index, (meter, _) in enumerate(meters):
        if not any(line.meter == index and not line.failed for line in lines):
            raise MeterUnavailableError(f"{meter.device} gave no reading in {seconds:g} s")
    header = Header(
        v=1,
        synthetic=any(meter.simulated for meter, _ in meters),
        made_by=AGENT,
        meters=tuple(_recorded(meter, boundary) for meter, boundary in meters),
    )
    write_file(path, _ENCODER.encode_lines([header, *lines]))
    return len(lines)


def _recorded(meter: Meter, boundary: Boundary | None) -> Recorded:
    return Recorded(
        name=meter.name,
        device=meter.device,
        model=meter.model,
        scope=meter.scope,
        method=meter.method,
        period_s=meter.period_s,
        simulated=meter.simulated,
        boundary=boundary,
    )


def _line(meter: Meter, index: int, clock: Clock, start_ns: int) -> Line:
    try:
        now = meter.read()
    except ReadingFailedError:
        return Line(meter=index, t_ns=clock.boottime_ns() - start_ns, failed=True)
    return Line(
        meter=index,
        t_ns=max(0, now.boottime_ns - start_ns),
        energy_mj=now.energy_mj,
        power_mw=now.power_mw,
        utilization_percent=now.utilization_percent,
        held=now.held,
        epoch=now.epoch,
        estimated_mj=now.estimated_mj,
        failed=now.energy_mj is None,
    )


def _rising(lines: Sequence[Line]) -> list[Line]:
    """Leave out a reading that a meter gave twice: one that is asked in the background has its old one until then."""
    last: dict[int, int] = {}
    kept = []
    for line in lines:
        if line.t_ns > last.get(line.meter, -1):
            last[line.meter] = line.t_ns
            kept.append(line)
    return kept
