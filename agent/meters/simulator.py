"""A meter that invents its figures, and says so: for machines without a GPU, demonstrations and tests.

Idle power plus a load that changes each second as SHA-256 of (seed, second) says: the same seed at the same times
gives the same figures. Every reading made from it is labelled ``simulated``.
"""

from __future__ import annotations

import hashlib
from typing import Final

from agent.clock import Clock
from agent.meters.protocol import COUNTER_PERIOD_S, Method, Reading, Scope, Unit

NS_PER_S: Final = 1_000_000_000
_LOAD_PERCENT_FROM: Final = 60
_LOAD_PERCENT_STEPS: Final = 36


def load_percent(seed: int, second: int) -> int:
    """Return the simulated load of a second, 60 to 95 percent."""
    hashed = hashlib.sha256(f"green-agent simulator {seed} {second}".encode()).digest()
    return _LOAD_PERCENT_FROM + int.from_bytes(hashed[:4], "big") % _LOAD_PERCENT_STEPS


class SimulatedMeter:
    """An invented GPU of ``idle_mw`` when idle and ``idle_mw + load_mw`` under full load."""

    name = "simulator"
    model = "Simulated GPU"
    unit: Unit = "mJ"
    scope: Scope = "gpu"
    method: Method = "modelled"
    simulated = True
    period_s = COUNTER_PERIOD_S

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 0,
        idle_mw: int = 70_000,
        load_mw: int = 330_000,
        device: str = "SIMULATED-0",
    ) -> None:
        """Start a counter at zero, now."""
        self._clock = clock
        self._seed = seed
        self._idle_mw = idle_mw
        self._load_mw = load_mw
        self.device = device
        self._reached_ns = clock.boottime_ns()
        self._total = 0

    def power_mw(self, second: int) -> int:
        """Return the invented power during a second since boot."""
        return self._idle_mw + self._load_mw * load_percent(self._seed, second) // 100

    def read(self) -> Reading:
        """Return the invented counter of now."""
        now_ns = self._clock.boottime_ns()
        while self._reached_ns < now_ns:
            second = self._reached_ns // NS_PER_S
            until_ns = min(now_ns, (second + 1) * NS_PER_S)
            self._total += self.power_mw(second) * (until_ns - self._reached_ns)
            self._reached_ns = until_ns
        second = now_ns // NS_PER_S
        return Reading(
            device=self.device,
            boottime_ns=now_ns,
            wall_ns=self._clock.wall_ns(),
            energy_mj=self._total // NS_PER_S,
            power_mw=self.power_mw(second),
            utilization_percent=load_percent(self._seed, second),
        )

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""
