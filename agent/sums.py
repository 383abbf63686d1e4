"""What all windows since the daemon's start add up to, for who watches it: whole millijoules, and nothing is forgotten.

A window is counted once, when it is closed. Labels are bounded: beyond the first models and tenants, work is ``other``.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from agent.windows.telemetry import TelemetryWindow

MAX_PAIRS: Final = 200
"""Pairs of model and tenant that are told apart."""

MAX_DEVICES: Final = 1_000
OTHER: Final = "other"


class Device(NamedTuple):
    """An accelerator: its identity, product name, and what its figure covers."""

    uuid: str
    model: str
    scope: str


class Whose(NamedTuple):
    """Whose work: the tenant is empty for the node's own."""

    model: str
    tenant: str


@dataclass(slots=True)
class Use:
    """What the work of one pair used and counted."""

    energy_mj: int = 0
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(slots=True)
class Sums:
    """Energies in mJ. ``by_kind`` are the parts that each window keeps apart; the accelerators' are ``by_device`` again."""

    windows: int = 0
    estimated_mj: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    by_device: dict[Device, int] = field(default_factory=dict)
    by_work: dict[Whose, Use] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """The daemon's state.

    Attributes:
        meters: each device, and whether its last reading succeeded.
        spooled, rejected: windows that wait, and that the issuer refused.
        lost: windows since the start that were measured and not kept.
        acknowledged: windows that the issuer took since the home was made.
    """

    sums: Sums
    meters: Mapping[str, bool]
    running: int
    measuring: bool
    simulated: bool
    key_kind: str
    spooled: int
    rejected: int
    lost: int
    acknowledged: int = 0


class WindowSums:
    """Adds windows up. Any thread may call it; none waits for more than an addition."""

    def __init__(self, max_pairs: int = MAX_PAIRS) -> None:
        """Begin at zero."""
        self._max_pairs = max_pairs
        self._sums = Sums()
        self._lock = threading.Lock()

    def add(self, window: TelemetryWindow) -> None:
        """Count one closed window."""
        with self._lock:
            sums = self._sums
            sums.windows += 1
            sums.estimated_mj += window.estimated_mj
            sums.by_kind.update(_kinds(window))
            for one in window.accelerators:
                device = Device(one.uuid, one.model, one.scope)
                if device not in sums.by_device and len(sums.by_device) >= MAX_DEVICES:
                    device = Device(OTHER, OTHER, one.scope)
                sums.by_device[device] = sums.by_device.get(device, 0) + one.energy_mj
            for record in window.records:
                use = self._use(Whose(record.model_id, record.tenant_id or ""))
                use.energy_mj += record.accelerator_active_mj
                use.requests += record.requests
                use.input_tokens += record.input_tokens or 0
                use.output_tokens += record.output_tokens or 0

    def now(self) -> Sums:
        """Return the sums as they are now, a copy."""
        with self._lock:
            sums = self._sums
            uses = {
                whose: Use(use.energy_mj, use.requests, use.input_tokens, use.output_tokens)
                for whose, use in sums.by_work.items()
            }
            return Sums(sums.windows, sums.estimated_mj, Counter(sums.by_kind), dict(sums.by_device), uses)

    def _use(self, whose: Whose) -> Use:
        by_work = self._sums.by_work
        if whose not in by_work and len(by_work) >= self._max_pairs:
            whose = Whose(OTHER, OTHER)
        return by_work.setdefault(whose, Use())


def _kinds(window: TelemetryWindow) -> dict[str, int]:
    """Return the parts of a window's energy, which add up to all that was measured."""
    return {
        "active": window.active_mj,
        "loaded_idle": window.loaded_idle_mj,
        "idle": window.idle_mj,
        "unattributed": window.unattributed_mj,
        "host_cpu": window.host_cpu_mj,
        "host_dram": window.host_dram_mj,
        "host_other": window.host_other_mj,
    }
