"""CPU packages and memory through RAPL, by Linux's powercap files (kernel documentation, power/powercap).

    /sys/class/powercap/intel-rapl:0/{name,energy_uj,max_energy_range_uj}      package-0, or psys
    /sys/class/powercap/intel-rapl:0:1/…                                       core, uncore, dram: parts of zone 0

A package holds its cores and uncore, so those are never read. ``dram`` is beside the package on servers. ``psys`` (the
platform) holds all of them, so it is a node's meter, counted only where it is asked for. ``intel-rapl-mmio`` tells the
same packages a second time and is read only where there is nothing else. AMD's CPUs show theirs under the same names.

The counter is in µJ and starts anew above its range (65 to 262 kJ, a quarter of an hour of work). Since Linux 5.10
only root may read it (CVE-2020-8694: its fine grain tells what neighbours compute).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.errors import MeterError, MeterUnavailableError, ReadingFailedError
from agent.meters.protocol import (
    COUNTER_PERIOD_S,
    Boundary,
    HostInventory,
    HostMeter,
    Method,
    Reading,
    Scope,
    Unavailable,
    Unit,
)

ROOT: Final = Path("/sys/class/powercap")

MOST_MW: Final = 2_000_000
"""More than any zone draws (2 kW): a count above it is no wrap, and a pause in which it fills the range hides wraps."""

REMEDY: Final = (
    "give the agent's group the right to read it, as root: "
    "groupadd --system rapl; usermod -aG rapl USER; and in /etc/udev/rules.d/70-rapl.rules the line "
    'SUBSYSTEM=="powercap", KERNEL=="intel-rapl*", ACTION=="add", '
    'RUN+="/bin/chgrp rapl /sys%p/energy_uj", RUN+="/bin/chmod g+r /sys%p/energy_uj"; then udevadm control --reload '
    "&& udevadm trigger --subsystem-match=powercap --action=add. Or let systemd run the agent with "
    "AmbientCapabilities=CAP_DAC_READ_SEARCH, which lets it read every file"
)
"""What brings the right to read RAPL. Not chmod o+r: who reads it finely learns what others compute."""

_SLACK_UJ: Final = 1_000_000
"""What a zone may have counted in no time: its counter is updated every millisecond."""

_ABSENT: Final = (
    "bare metal: modprobe intel_rapl_msr (AMD's too, since Linux 5.8); a virtual machine has none; container engines "
    "hide it: mount /sys/class/powercap and /sys/devices/virtual/powercap read only"
)
_NS_PER_S: Final = 1_000_000_000
_UJ_PER_MJ: Final = 1000
_BOUNDARIES: Final[dict[str, Boundary]] = {"package": "cpu", "dram": "dram", "psys": "node"}
_SCOPES: Final[dict[str, Scope]] = {"package": "package", "dram": "package", "psys": "node"}


@dataclass(frozen=True, slots=True)
class Zone:
    """One counter: its folder, its kind ("package", "dram", "psys"), and where it starts anew, in µJ."""

    folder: Path
    kind: str
    range_uj: int

    def read_uj(self) -> int:
        """Return the counter in µJ. Raises OSError, ValueError."""
        return int((self.folder / "energy_uj").read_bytes())


@dataclass(slots=True)
class _Counted:
    """Up to where a zone was read, and what it counted since its first reading."""

    last_uj: int
    at_ns: int
    total_uj: int = 0


class RaplMeter:
    """All zones of one kind, each wrap undone, summed in µJ, so that rounding to mJ never adds up.

    A count that no zone can have made, and a pause so long that it hides wraps, begin a new epoch: the machine slept,
    or the counter was set back.
    """

    unit: Unit = "mJ"
    method: Method = "counter"
    simulated = False
    period_s = COUNTER_PERIOD_S

    def __init__(self, kind: str, zones: Sequence[Zone], clock: Clock) -> None:
        """Read ``zones`` of ``kind`` a first time. Raises MeterUnavailableError where one cannot be read."""
        self.name = f"rapl-{kind}"
        self.device = f"rapl:{kind}"
        self.model = ", ".join(zone.folder.name for zone in zones)
        self.scope: Scope = _SCOPES[kind]
        self._zones = tuple(zones)
        self._clock = clock
        self._counted: dict[Zone, _Counted] = {}
        self._epoch = 0
        try:
            self.read()
        except MeterError as error:
            raise MeterUnavailableError(error.detail) from error

    def read(self) -> Reading:
        """Return what all zones counted since the meter was opened. Raises ReadingFailedError."""
        reset = False
        try:
            for zone in self._zones:
                value_uj = zone.read_uj()
                # Stamped after it was read: a wrap is judged by a pause that is not too short.
                reset |= self._count(zone, value_uj, self._clock.boottime_ns())
        except PermissionError as error:
            raise ReadingFailedError(f"only root may read {error.filename} since Linux 5.10 (CVE-2020-8694)") from error
        except (OSError, ValueError) as error:
            raise ReadingFailedError(f"{self.name} gave no reading: {error}") from error
        self._epoch += reset
        return Reading(
            device=self.device,
            boottime_ns=self._clock.boottime_ns(),
            wall_ns=self._clock.wall_ns(),
            energy_mj=sum(counted.total_uj for counted in self._counted.values()) // _UJ_PER_MJ,
            epoch=self._epoch,
        )

    def close(self) -> None:
        """Do nothing: no file is held open."""

    def _count(self, zone: Zone, value_uj: int, now_ns: int) -> bool:
        """Add what a zone counted, and return whether its counter started anew."""
        counted = self._counted.get(zone)
        if counted is None:
            self._counted[zone] = _Counted(value_uj, now_ns)
            return False
        most_uj = MOST_MW * (now_ns - counted.at_ns) // (_NS_PER_S // _UJ_PER_MJ)
        used_uj = value_uj - counted.last_uj
        if used_uj < 0:
            used_uj += zone.range_uj
        counted.last_uj, counted.at_ns = value_uj, now_ns
        if most_uj >= zone.range_uj or not 0 <= used_uj <= max(most_uj, _SLACK_UJ):
            return True
        counted.total_uj += used_uj
        return False


def discover(clock: Clock, root: Path = ROOT) -> HostInventory:
    """Return the meters of CPU packages and memory, that of the platform as unused, and what is missing and why."""
    found = zones(root)
    if not found:
        reason = f"{root} shows no RAPL zone"
        return HostInventory(unavailable=(Unavailable("rapl", reason, _ABSENT, absent=True),))
    meters: list[HostMeter] = []
    unused: list[HostMeter] = []
    missing: list[Unavailable] = []
    for kind, boundary in _BOUNDARIES.items():
        chosen = [zone for zone in found if zone.kind == kind]
        if not chosen:
            continue
        try:
            meter = HostMeter(boundary, RaplMeter(kind, chosen, clock))
        except MeterUnavailableError as error:
            missing.append(Unavailable(f"rapl-{kind}", error.detail, REMEDY))
            continue
        (unused if kind == "psys" else meters).append(meter)
    return HostInventory(tuple(meters), tuple(missing), tuple(unused))


def zones(root: Path) -> list[Zone]:
    """Return the zones under ``root`` that count, none of which is a part of another (psys is told by its kind)."""
    try:
        folders = sorted(root.iterdir())
    except OSError:
        return []
    found = [zone for folder in folders if (zone := _zone(folder)) is not None]
    direct = [zone for zone in found if not zone.folder.name.startswith("intel-rapl-mmio")]
    kinds = {zone.kind for zone in direct}
    return direct + [zone for zone in found if zone not in direct and zone.kind not in kinds]


def _zone(folder: Path) -> Zone | None:
    if ":" not in folder.name:
        return None
    try:
        name = (folder / "name").read_text(encoding="ascii").strip()
        range_uj = int((folder / "max_energy_range_uj").read_bytes())
    except (OSError, ValueError):
        return None
    kind = _kind(name)
    return None if kind is None or range_uj <= 0 else Zone(folder, kind, range_uj)


def _kind(name: str) -> str | None:
    # "package-0", on processors of several dies "package-0-die-1"; "core" and "uncore" are inside.
    return next((kind for kind in _BOUNDARIES if name == kind or name.startswith(f"{kind}-")), None)
