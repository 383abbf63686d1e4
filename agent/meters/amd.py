"""AMD GPUs through AMD SMI: the energy accumulator where there is one, else power. The one file importing amdsmi.

The accumulator counts units of ``counter_resolution`` µJ (15.259 on Instinct) since the driver was loaded. A figure
that a GPU does not have is an error, or the text "N/A", never 0. Of an MI250's two dies only the first has the
package's power; the second's accumulator stands at 0, and is left out by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, cast

from agent.clock import Clock
from agent.errors import MeterError, MeterUnavailableError, ReadingFailedError
from agent.meters.power import IntegratingMeter
from agent.meters.protocol import (
    COUNTER_PERIOD_S,
    POWER_PERIOD_S,
    Inventory,
    Meter,
    Method,
    Reading,
    Scope,
    Unavailable,
    Unit,
)
from schemas.distribution import how_to_install

_PJ_PER_UJ: Final = 1_000_000
_PJ_PER_MJ: Final = 1_000_000_000
_MW_PER_W: Final = 1000
_ALL: Final = 100
_DEVICE_FILE: Final = Path("/dev/kfd")


class Amdsmi(Protocol):
    """The functions of AMD SMI that we call, under the vendor's names; the module ``amdsmi`` is one."""

    AmdSmiException: type[Exception]

    def amdsmi_init(self) -> None:
        """Open the library for GPUs."""
        ...

    def amdsmi_shut_down(self) -> None:
        """Close what amdsmi_init opened."""
        ...

    def amdsmi_get_processor_handles(self) -> Sequence[Any]:
        """Return the GPUs' handles."""
        ...

    def amdsmi_get_gpu_device_uuid(self, handle: Any) -> str:
        """Return the GPU's UUID."""
        ...

    def amdsmi_get_gpu_asic_info(self, handle: Any) -> Any:
        """Return a mapping with ``market_name``."""
        ...

    def amdsmi_get_energy_count(self, handle: Any) -> Any:
        """Return ``energy_accumulator`` (older: ``power``), ``counter_resolution`` in µJ, ``timestamp`` in ns."""
        ...

    def amdsmi_get_power_info(self, handle: Any) -> Any:
        """Return ``socket_power``, ``current_socket_power``, ``average_socket_power`` in W, each perhaps "N/A"."""
        ...

    def amdsmi_get_gpu_activity(self, handle: Any) -> Any:
        """Return ``gfx_activity`` in percent, perhaps "N/A"."""
        ...

    def amdsmi_get_gpu_process_list(self, handle: Any) -> Sequence[Any]:
        """Return the processes that hold the GPU, each a mapping with ``memory_usage``."""
        ...


def load() -> Amdsmi:
    """Return the binding. Raises MeterUnavailableError where it is not installed, or finds no library."""
    try:
        import amdsmi
    except Exception as error:  # the package raises various errors of its own where librocm is missing
        raise MeterUnavailableError(
            f"the Python package amdsmi cannot be used: {error or type(error).__name__}"
        ) from error
    return cast("Amdsmi", amdsmi)


class AmdMeter:
    """One GPU: accumulator, power and activity, each where the GPU has it. A reading that fails begins an epoch."""

    scope: Scope = "gpu"
    simulated = False

    def __init__(self, library: Amdsmi, handle: Any, clock: Clock) -> None:
        """Look at what the GPU offers. Raises MeterUnavailableError where it has neither energy nor power."""
        self._library = library
        self._handle = handle
        self._clock = clock
        self._epoch = 0
        self._failed = False
        self._unit_pj: int | None = None
        try:
            self.device = str(library.amdsmi_get_gpu_device_uuid(handle))
            self.model = str(library.amdsmi_get_gpu_asic_info(handle)["market_name"])
        except (library.AmdSmiException, KeyError, TypeError) as error:
            raise MeterUnavailableError(f"AMD SMI does not name a GPU: {error}") from error
        # An accumulator at 0 is that of a die whose package another one counts, or of a driver without it.
        self._has_counter = bool(self._ask(self._energy_mj))
        if not self._has_counter and not self._ask(self._power_mw):
            raise MeterUnavailableError(f"{self.model} ({self.device}) reports neither energy nor power")

    @property
    def name(self) -> str:
        """Return "amd-counter", or "amd-power" where there is no accumulator."""
        return "amd-counter" if self._has_counter else "amd-power"

    @property
    def unit(self) -> Unit:
        """Return "mJ" of the counter, or "mW"."""
        return "mJ" if self._has_counter else "mW"

    @property
    def method(self) -> Method:
        """Return "counter", or "integrated" where only power is read."""
        return "counter" if self._has_counter else "integrated"

    @property
    def period_s(self) -> float:
        """Return 1 s for a counter, 0.1 s for power."""
        return COUNTER_PERIOD_S if self._has_counter else POWER_PERIOD_S

    def read(self) -> Reading:
        """Return counter, power and activity of the moment. Raises ReadingFailedError."""
        energy_mj = self._ask(self._energy_mj) if self._has_counter else None
        stamp_ns, wall_ns = self._clock.boottime_ns(), self._clock.wall_ns()
        power_mw = self._ask(self._power_mw)
        if energy_mj is None and (self._has_counter or power_mw is None):
            self._failed = True
            raise ReadingFailedError(f"AMD SMI gave no reading of {self.device}")
        if self._failed:
            self._epoch, self._failed = self._epoch + 1, False
        utilization = self._ask(self._utilization)
        return Reading(
            device=self.device,
            boottime_ns=stamp_ns,
            wall_ns=wall_ns,
            energy_mj=energy_mj,
            power_mw=power_mw,
            utilization_percent=utilization,
            held=None if utilization else _truth(self._ask(self._holders)),
            epoch=self._epoch,
        )

    def close(self) -> None:
        """Do nothing: the library is open as long as the process."""

    def _ask(self, what: Callable[[], int | None]) -> int | None:
        try:
            return what()
        except (self._library.AmdSmiException, KeyError, TypeError):
            return None

    def _energy_mj(self) -> int | None:
        counted = self._library.amdsmi_get_energy_count(self._handle)
        units = counted["energy_accumulator"] if "energy_accumulator" in counted else counted["power"]
        resolution_uj = counted["counter_resolution"]
        if not isinstance(units, int) or not isinstance(resolution_uj, int | float) or resolution_uj <= 0:
            return None
        if self._unit_pj is None:
            # Once: were it read again in another last digit, the whole counter would jump.
            self._unit_pj = round(resolution_uj * _PJ_PER_UJ)
        return units * self._unit_pj // _PJ_PER_MJ

    def _power_mw(self) -> int | None:
        info = self._library.amdsmi_get_power_info(self._handle)
        for name in ("socket_power", "current_socket_power", "average_socket_power"):
            watts = info.get(name)
            # 65535 is "not known" of firmware that has no text for it.
            if isinstance(watts, int | float) and not isinstance(watts, bool) and 0 < watts < 0xFFFF:  # noqa: PLR2004
                return round(watts * _MW_PER_W)
        return None

    def _utilization(self) -> int | None:
        percent = self._library.amdsmi_get_gpu_activity(self._handle)["gfx_activity"]
        return percent if isinstance(percent, int) and 0 <= percent <= _ALL else None

    def _holders(self) -> int:
        """Return how many processes have memory there: the driver also lists those that merely look at the GPU."""
        listed = self._library.amdsmi_get_gpu_process_list(self._handle)
        return sum(1 for one in listed if one["memory_usage"]["vram_mem"])


def _truth(count: int | None) -> bool | None:
    return None if count is None else count > 0


def discover(library: Amdsmi, clock: Clock, *, asked: Sequence[str] = ()) -> Inventory:
    """Return a meter for each GPU, or for those ``asked`` for by UUID, and why others have none."""
    try:
        library.amdsmi_init()
        handles = library.amdsmi_get_processor_handles()
    except library.AmdSmiException as error:
        return Inventory(unavailable=(_absent(f"AMD SMI cannot be opened: {error}"),))
    meters: list[Meter] = []
    missing: list[Unavailable] = []
    for handle in handles:
        try:
            meter = AmdMeter(library, handle, clock)
        except MeterError as error:
            # Of an MI250 only the first die counts, for both: then nothing is left unread.
            counted = bool(meters) and _stands_at_zero(library, handle)
            missing.append(Unavailable("amd", error.detail, "see amd-smi metric --power --energy", absent=counted))
            continue
        if not asked or any(meter.device.startswith(uuid) for uuid in asked):
            meters.append(meter if meter.unit == "mJ" else IntegratingMeter(meter))
    if not handles:
        return Inventory(unavailable=(_absent("AMD SMI runs but there is no GPU"),))
    return Inventory(tuple(meters), tuple(missing))


def _stands_at_zero(library: Amdsmi, handle: Any) -> bool:
    try:
        counted = library.amdsmi_get_energy_count(handle)
    except library.AmdSmiException:
        return False
    return bool(counted.get("energy_accumulator", counted.get("power")) == 0)


def survey(clock: Clock, asked: Sequence[str] = (), binding: Amdsmi | None = None) -> Inventory:
    """Return the AMD GPUs of this machine, and what is lacking. ``binding`` stands in for the installed AMD SMI."""
    try:
        library = load() if binding is None else binding
    except MeterUnavailableError as error:
        return Inventory(unavailable=(_absent(error.detail),))
    return discover(library, clock, asked=asked)


def _absent(reason: str) -> Unavailable:
    remedy = f"where there is an AMD GPU: load amdgpu, install ROCm's amd-smi-lib, and {how_to_install('agent-amd')}"
    return Unavailable("amd", reason, remedy, absent=not _DEVICE_FILE.exists())
