"""The whole node by its BMC or PDU, over Redfish: in a thread of its own, since BMCs take seconds or hang.

    EnergyJoules              a counter: "metered"
    PowerWatts, PowerControl  power, integrated here: "integrated"
    EnergykWh alone           not used: it steps by 0.001 to 0.1 kWh, minutes of a node's work, and windows are seconds

``read`` never waits: it gives the last value with the time at which it was read, until that is too old. What the node
used between two values belongs to the window in which the later one came.
"""

from __future__ import annotations

import threading
from typing import Final

from agent.clock import Clock
from agent.errors import MeterError, ReadingFailedError
from agent.meters.power import IntegratingMeter
from agent.meters.protocol import Method, Reading, Scope, Unit
from agent.meters.redfish_client import TIMEOUT_S, Figures, RedfishClient

_OLDEST_PERIODS: Final = 3
_LONGEST_PAUSE_S: Final = 60.0
_NS_PER_S: Final = 1_000_000_000


class _Source:
    """The BMC as a blocking meter: a counter, or power."""

    name = "redfish"
    model = "Redfish"
    unit: Unit = "mJ"
    scope: Scope = "node"
    method: Method = "metered"
    simulated = False

    def __init__(self, client: RedfishClient, clock: Clock, period_s: float) -> None:
        self._client = client
        self._clock = clock
        self.period_s = period_s
        self.device = f"redfish:{client.host}"

    def read(self) -> Reading:
        figures = self._client.read()
        return self.reading(figures)

    def reading(self, figures: Figures) -> Reading:
        if not figures.usable:
            raise ReadingFailedError(_useless(self._client, figures))
        return Reading(
            device=self.device,
            boottime_ns=self._clock.boottime_ns(),
            wall_ns=self._clock.wall_ns(),
            energy_mj=figures.energy_mj,
            power_mw=figures.power_mw,
        )

    def close(self) -> None:
        self._client.close()


class RedfishMeter:
    """A node's meter that is read in the background every ``period_s``, and gives its last value with its age."""

    name = "redfish"
    unit: Unit = "mJ"
    scope: Scope = "node"
    simulated = False

    def __init__(
        self, client: RedfishClient, clock: Clock, *, period_s: float = 1.0, timeout_s: float = TIMEOUT_S
    ) -> None:
        """Start asking. Nothing is known until the first answer."""
        self.device = f"redfish:{client.host}"
        self.period_s = period_s
        self._client = client
        self._clock = clock
        self._source = _Source(client, clock, period_s)
        self._meter: _Source | IntegratingMeter | None = None
        self._oldest_ns = int((_OLDEST_PERIODS * period_s + timeout_s) * _NS_PER_S)
        self._last: Reading | None = None
        self._problem = "it has not answered yet"
        self._answered = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="green-agent redfish", daemon=True)
        self._thread.start()

    @property
    def model(self) -> str:
        """Return host and resource."""
        return f"{self._client.host}{self._client.path}"

    @property
    def method(self) -> Method:
        """Return "metered" for an energy counter, else "integrated"."""
        return self._meter.method if self._meter is not None else "integrated"

    def read(self) -> Reading:
        """Return the last value, stamped with the time of its reading. Raises ReadingFailedError where it is too old."""
        last = self._last
        if last is None:
            raise ReadingFailedError(f"{self.device}: {self._problem}")
        age_ns = self._clock.boottime_ns() - last.boottime_ns
        if age_ns > self._oldest_ns:
            raise ReadingFailedError(f"{self.device}: its last value is {age_ns // _NS_PER_S} s old: {self._problem}")
        return last

    def wait(self, seconds: float) -> bool:
        """Wait for the first answer, at most so long, and return whether there was one, good or bad."""
        return self._answered.wait(seconds)

    def close(self) -> None:
        """Stop asking; a BMC that hangs is not waited for."""
        self._stopped.set()
        self._thread.join(0.2)

    def _run(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            try:
                self._poll()
                failures = 0
            except MeterError as error:
                self._problem, failures = error.detail, failures + 1
            except Exception as error:  # noqa: BLE001 - what a BMC says must never end the asking
                self._problem, failures = f"its answer cannot be used: {error}", failures + 1
            self._answered.set()
            # Twice as long after each failure: a BMC in trouble is not helped by being asked.
            self._stopped.wait(min(self.period_s * 2 ** min(failures, 10), max(_LONGEST_PAUSE_S, self.period_s)))
        self._client.close()

    def _poll(self) -> None:
        if self._meter is None:
            counts = self._source.read().energy_mj is not None
            gap_ns = int(_OLDEST_PERIODS * self.period_s * _NS_PER_S)
            self._meter = self._source if counts else IntegratingMeter(self._source, gap_ns=gap_ns)
        reading = self._meter.read()
        if reading.energy_mj is None:
            raise ReadingFailedError("it has lost its energy counter")
        self._last = reading


def _useless(client: RedfishClient, figures: Figures) -> str:
    if figures.coarse_mj is not None:
        return (
            f"{client.path} has EnergykWh alone, too coarse for windows of seconds: give redfish_url a resource with "
            "EnergyJoules or PowerWatts"
        )
    return (
        f"{client.path} tells neither energy nor power: give redfish_url the path of EnvironmentMetrics or Power of "
        "the node's chassis, or of the PDU's outlet"
    )
