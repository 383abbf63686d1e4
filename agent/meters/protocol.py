"""What a meter is: something that names its device, unit, scope and method, and gives readings in integers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

Method: TypeAlias = Literal["modelled", "partition-estimate", "integrated", "counter", "metered"]
Unit: TypeAlias = Literal["mJ", "mW"]
Scope: TypeAlias = Literal["gpu", "module", "package", "node"]
Boundary: TypeAlias = Literal["cpu", "dram", "node"]
"""What a host's meter covers: CPU packages, memory, or the whole node with all that is in it."""

METHODS: Final[tuple[Method, ...]] = ("modelled", "partition-estimate", "integrated", "counter", "metered")
"""From the lowest grade of evidence to the highest (FORMATS.md "measurementMethod")."""

COUNTER_PERIOD_S: Final = 1.0
"""How often a counter is read while something is measured: often enough to see it fall."""

POWER_PERIOD_S: Final = 0.1
"""How often power is sampled for integration: 10 Hz."""


def lowest(methods: Iterable[Method]) -> Method:
    """Return the lowest of the methods: a sum is worth what its worst part is. Empty gives "modelled"."""
    return min(methods, key=METHODS.index, default="modelled")


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at one device. A meter gives ``energy_mj``, or only ``power_mw`` where it has no counter.

    Attributes:
        boottime_ns: CLOCK_BOOTTIME at the reading; differences of it are durations.
        wall_ns: wall clock at the reading, a label.
        energy_mj: counter in mJ since an origin of its own; it belongs to ``epoch``.
        power_mw: power in mW (NVML: a 1 s average on Ampere and newer).
        utilization_percent: share of time with work on the device, 0 to 100, where known.
        held: whether a compute process holds the device, None where that is not known.
        epoch: changes when the counter may have started anew (driver reloaded, device reset).
        estimated_mj: running total of the part of ``energy_mj`` that was filled in, not measured.
    """

    device: str
    boottime_ns: int
    wall_ns: int
    energy_mj: int | None = None
    power_mw: int | None = None
    utilization_percent: int | None = None
    held: bool | None = None
    epoch: int = 0
    estimated_mj: int = 0


class Meter(Protocol):
    """One device's meter. It is read by one thread at a time."""

    @property
    def name(self) -> str:
        """Return which meter it is, such as "nvml-counter"."""
        ...

    @property
    def device(self) -> str:
        """Return the identity of the device, such as a GPU's UUID; never an index, which moves."""
        ...

    @property
    def model(self) -> str:
        """Return the product name of the device."""
        ...

    @property
    def unit(self) -> Unit:
        """Return what is read: a counter in mJ, or power in mW that must be integrated."""
        ...

    @property
    def scope(self) -> Scope:
        """Return what the figure covers."""
        ...

    @property
    def method(self) -> Method:
        """Return the grade of an energy made from these readings."""
        ...

    @property
    def simulated(self) -> bool:
        """Return whether the figures are invented."""
        ...

    @property
    def period_s(self) -> float:
        """Return how often, in seconds, it must be read while something is measured."""
        ...

    def read(self) -> Reading:
        """Return a reading. Raises ReadingFailedError."""
        ...

    def close(self) -> None:
        """Give back what the meter holds. Further readings fail."""
        ...


@dataclass(frozen=True, slots=True)
class HostMeter:
    """A meter of the host and its boundary. ``has_accelerators``: a node's figure holds theirs too, as it mostly does.

    ``moves``: whether its counter moves within a second, so that one that stands still is stuck.
    """

    boundary: Boundary
    meter: Meter
    has_accelerators: bool = True
    moves: bool = True


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A meter that cannot be used: which, why, and what would bring it.

    ``absent`` where the device itself is not there, so that nothing real is left unread.
    """

    name: str
    reason: str
    remedy: str
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Inventory:
    """What was found: meters ready to be read, and those missing with the reason."""

    meters: tuple[Meter, ...] = ()
    unavailable: tuple[Unavailable, ...] = ()


@dataclass(frozen=True, slots=True)
class HostInventory:
    """What was found of the host's meters; ``unused`` can be read, and is counted only where it is asked for by name."""

    meters: tuple[HostMeter, ...] = ()
    unavailable: tuple[Unavailable, ...] = ()
    unused: tuple[HostMeter, ...] = ()
