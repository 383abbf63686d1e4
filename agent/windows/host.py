"""What the host used, beside the accelerators: CPU packages, memory, and the rest of the node. Integers, exact.

    host_cpu, host_dram   what the meters of these boundaries counted
    host_other            what the node's meter counted, less accelerators, CPU and memory, all of which are in it

Never negative, and nothing twice: a node's meter is read at its own moments, so after a change of load the
difference may be below zero for a while. What is missing then is owed (``debt_mj``), and later windows pay it before
they state a rest again: the sum of all ``host_other`` never exceeds the largest difference that was ever measured.

A boundary that was not seen for more than a hundredth of a window is left out of it (0 says "not stated"): a slow or
dead meter of the host takes no window's coverage away from the accelerators, and half a sum passes for no whole one.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from agent.measurement import Totals
from agent.meters.protocol import Boundary, HostMeter, Method
from agent.span import Flag
from agent.windows.tap import Counted, Interval, Tap, union
from schemas.window_record import WindowRecord

_BOUNDARIES: Final[tuple[Boundary, ...]] = ("cpu", "dram", "node")
_HOLE_PERCENT: Final = 1

_log = logging.getLogger(__name__)


class Amount(NamedTuple):
    """Energy in mJ, and the part of it that was filled in."""

    energy_mj: int = 0
    estimated_mj: int = 0

    def plus(self, energy_mj: int, estimated_mj: int) -> Amount:
        """Return the sum."""
        return Amount(self.energy_mj + energy_mj, self.estimated_mj + estimated_mj)


NOTHING: Final = Amount()


@dataclass(frozen=True, slots=True)
class Use:
    """What the meters counted of one piece of work, or of a window: accelerators (mJ) and each boundary of the host."""

    accelerators_mj: int = 0
    cpu: Amount = NOTHING
    dram: Amount = NOTHING
    node: Amount = NOTHING


@dataclass(frozen=True, slots=True)
class Host:
    """The host's energies of a record or of a window, in mJ; ``estimated_mj`` is part of their sum."""

    cpu_mj: int = 0
    dram_mj: int = 0
    other_mj: int = 0
    estimated_mj: int = 0


@dataclass(frozen=True, slots=True)
class HostWindow:
    """A window's host: the whole, each record's part in their order (none where there is nothing), and its holes."""

    whole: Host = Host()
    parts: tuple[Host, ...] = ()
    holes: tuple[Interval, ...] = ()
    methods: tuple[Method, ...] = ()
    flags: frozenset[Flag] = frozenset()

    def records(self, records: Sequence[WindowRecord]) -> tuple[WindowRecord, ...]:
        """Return the records with their parts of the host."""
        if not self.parts:
            return tuple(records)
        return tuple(
            msgspec.structs.replace(
                record,
                host_cpu_mj=part.cpu_mj,
                host_dram_mj=part.dram_mj,
                host_other_mj=part.other_mj,
                estimated_mj=record.estimated_mj + part.estimated_mj,
            )
            for record, part in zip(records, self.parts, strict=True)
        )


class Division(NamedTuple):
    """What ``divide`` gives."""

    whole: Host
    parts: tuple[Host, ...]
    debt_mj: int


def divide(whole: Use, parts: Sequence[Use], debt_mj: int, *, has_accelerators: bool = True) -> Division:
    """Return the window's host and each part's, in mJ and none below zero, and what is owed from now on.

    The sum of ``parts`` is at most ``whole`` in every figure; what they leave is nobody's and stays in the window.
    The rest (``host_other``) is divided by what each part's own difference says, scaled down to what there is: the
    positive differences, nobody's among them, are never less than the window's.
    """
    due_mj = _rest(whole, has_accelerators=has_accelerators) - debt_mj
    other_mj = max(0, due_mj)
    rests = [max(0, _rest(part, has_accelerators=has_accelerators)) for part in parts]
    claimed_mj = sum(rests) + max(0, _rest(_less(whole, parts), has_accelerators=has_accelerators))
    others = [rest * other_mj // claimed_mj if claimed_mj else 0 for rest in rests]
    hosts = tuple(_host(part, other) for part, other in zip(parts, others, strict=True))
    return Division(_host(whole, other_mj), hosts, max(0, -due_mj))


def _rest(use: Use, *, has_accelerators: bool) -> int:
    inside_mj = use.cpu.energy_mj + use.dram.energy_mj + (use.accelerators_mj if has_accelerators else 0)
    return use.node.energy_mj - inside_mj


def _less(whole: Use, parts: Sequence[Use]) -> Use:
    return Use(
        whole.accelerators_mj - sum(part.accelerators_mj for part in parts),
        Amount(whole.cpu.energy_mj - sum(part.cpu.energy_mj for part in parts)),
        Amount(whole.dram.energy_mj - sum(part.dram.energy_mj for part in parts)),
        Amount(whole.node.energy_mj - sum(part.node.energy_mj for part in parts)),
    )


def _host(use: Use, other_mj: int) -> Host:
    estimated_mj = use.cpu.estimated_mj + use.dram.estimated_mj + min(use.node.estimated_mj, other_mj)
    return Host(use.cpu.energy_mj, use.dram.energy_mj, other_mj, estimated_mj)


@dataclass(slots=True)
class _Window:
    """What was counted of each boundary that is stated."""

    amounts: dict[Boundary, Amount] = field(default_factory=dict)
    holes: list[Interval] = field(default_factory=list)
    methods: list[Method] = field(default_factory=list)
    flags: set[Flag] = field(default_factory=set)


class HostBook:
    """The host's meters over all windows. Its caller sees to it that one thread at a time uses it."""

    def __init__(self, meters: Sequence[HostMeter] = ()) -> None:
        """Watch ``meters``; those of one boundary are summed, and that of the node is one at most."""
        self._places = {one.meter.device: one.boundary for one in meters}
        self._has_accelerators = all(one.has_accelerators for one in meters if one.boundary == "node")
        taps = [(one.boundary, Tap(one.meter, moves=one.moves)) for one in meters]
        self._taps: dict[Boundary, tuple[Tap, ...]] = {
            boundary: tuple(tap for place, tap in taps if place == boundary)
            for boundary in _BOUNDARIES
            if any(place == boundary for place, _ in taps)
        }
        self._debt_mj = 0
        self._told: set[Boundary] = set()

    @property
    def taps(self) -> tuple[Tap, ...]:
        """The meters, for a ledger."""
        return tuple(tap for taps in self._taps.values() for tap in taps)

    def use_of(self, totals: Mapping[str, Totals]) -> Use:
        """Return what a ledger credited, by boundary: devices that are no meter of the host are accelerators."""
        accelerators_mj, amounts = 0, dict.fromkeys(_BOUNDARIES, NOTHING)
        for device, total in totals.items():
            place = self._places.get(device)
            if place is None:
                accelerators_mj += total.measured_mj + total.estimated_mj
            else:
                amounts[place] = amounts[place].plus(total.measured_mj + total.estimated_mj, total.estimated_mj)
        return Use(accelerators_mj, **amounts)

    def settle(self, accelerators_mj: int, uses: Sequence[Use], start_ns: int, end_ns: int) -> HostWindow:
        """Return the host's part of the window that ends now, of which records used ``uses``."""
        if not self._taps:
            return HostWindow()
        seen = self._seen(start_ns, end_ns)
        whole = Use(accelerators_mj, **seen.amounts)
        parts = [_only(use, seen.amounts) for use in uses]
        if "node" in seen.amounts:
            division = divide(whole, parts, self._debt_mj, has_accelerators=self._has_accelerators)
        else:
            # Without the node there is no rest; and after a hole in its counter nobody knows what is owed.
            division = Division(_host(whole, 0), tuple(_host(part, 0) for part in parts), 0)
        self._debt_mj = division.debt_mj
        return HostWindow(division.whole, division.parts, tuple(seen.holes), tuple(seen.methods), frozenset(seen.flags))

    def _seen(self, start_ns: int, end_ns: int) -> _Window:
        seen = _Window()
        for boundary, taps in self._taps.items():
            counted = [tap.counted(end_ns) for tap in taps if tap.read_once]
            holes = [hole for one in counted for hole in one.holes]
            open_ns = union(holes, start_ns, end_ns)[0]
            if len(counted) < len(taps) or open_ns * 100 > (end_ns - start_ns) * _HOLE_PERCENT:
                seen.flags.add("host-not-measured")
                self._tell(boundary)
                continue
            self._told.discard(boundary)
            seen.amounts[boundary] = _sum(counted)
            seen.holes += holes
            seen.methods += [tap.method for tap in taps]
            seen.flags.update(flag for one in counted for flag in one.flags)
        return seen

    def _tell(self, boundary: Boundary) -> None:
        if boundary not in self._told:
            self._told.add(boundary)
            _log.warning("a boundary of the host was not measured, and is left out", extra={"boundary": boundary})


def _only(use: Use, stated: Container[Boundary]) -> Use:
    return Use(
        use.accelerators_mj,
        use.cpu if "cpu" in stated else NOTHING,
        use.dram if "dram" in stated else NOTHING,
        use.node if "node" in stated else NOTHING,
    )


def _sum(counted: Sequence[Counted]) -> Amount:
    return Amount(sum(one.accelerator.energy_mj for one in counted), sum(one.estimated_mj for one in counted))
