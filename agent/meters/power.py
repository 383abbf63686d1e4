"""Energy from samples of power, where a device has no counter: the trapezoidal rule, in integers.

Each reading takes one sample, so the session's sampler, which reads every meter at its ``period_s`` (10 Hz here),
does the integrating, in its own thread.
"""

from __future__ import annotations

from typing import Final

from agent.errors import ReadingFailedError
from agent.meters.protocol import Meter, Method, Reading, Scope, Unit

NS_PER_S: Final = 1_000_000_000
GAP_NS: Final = NS_PER_S
"""A stretch without a sample longer than this (ten periods) is filled in, not measured."""


def trapezoid(first_mw: int, last_mw: int, span_ns: int) -> int:
    """Return twice the energy between two samples of power, in mW x ns (1e-12 J): integers, nothing rounded."""
    return (first_mw + last_mw) * span_ns


def trapezoid_mj(first_mw: int, last_mw: int, span_ns: int) -> int:
    """Return the energy between two samples of power in mJ, rounded to the nearest."""
    return (trapezoid(first_mw, last_mw, span_ns) + NS_PER_S) // (2 * NS_PER_S)


class IntegratingMeter:
    """A power meter turned into an energy counter: ``energy_mj`` is the integral since the first reading.

    The integral is carried in mW x ns, so that rounding to mJ never adds up. A stretch longer than ``gap_ns`` goes
    into ``estimated_mj`` as well: nobody saw what the power was meanwhile.
    """

    unit: Unit = "mJ"
    method: Method = "integrated"

    def __init__(self, power: Meter, *, gap_ns: int = GAP_NS) -> None:
        """Integrate the samples of ``power``."""
        self._power = power
        self._gap_ns = gap_ns
        self._last: Reading | None = None
        self._twice_total = 0
        self._twice_estimated = 0

    @property
    def name(self) -> str:
        """Return the power meter's name."""
        return self._power.name

    @property
    def device(self) -> str:
        """Return the device's identity."""
        return self._power.device

    @property
    def model(self) -> str:
        """Return the device's product name."""
        return self._power.model

    @property
    def scope(self) -> Scope:
        """Return what the power covers."""
        return self._power.scope

    @property
    def simulated(self) -> bool:
        """Return whether the power is invented."""
        return self._power.simulated

    @property
    def period_s(self) -> float:
        """Return how often power wants to be sampled."""
        return self._power.period_s

    def read(self) -> Reading:
        """Take a sample and return the integral up to it. Raises ReadingFailedError."""
        sample = self._power.read()
        if sample.power_mw is None:
            raise ReadingFailedError(f"{self.device} gave no power")
        self._add(sample, sample.power_mw)
        self._last = sample
        return Reading(
            device=sample.device,
            boottime_ns=sample.boottime_ns,
            wall_ns=sample.wall_ns,
            energy_mj=self._twice_total // (2 * NS_PER_S),
            power_mw=sample.power_mw,
            utilization_percent=sample.utilization_percent,
            held=sample.held,
            estimated_mj=self._twice_estimated // (2 * NS_PER_S),
        )

    def close(self) -> None:
        """Close the power meter."""
        self._power.close()

    def _add(self, sample: Reading, power_mw: int) -> None:
        last = self._last
        if last is None or last.power_mw is None:
            return
        span_ns = sample.boottime_ns - last.boottime_ns
        energy = trapezoid(last.power_mw, power_mw, span_ns)
        self._twice_total += energy
        if span_ns > self._gap_ns or sample.epoch != last.epoch:
            self._twice_estimated += energy
