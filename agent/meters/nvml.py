"""NVIDIA GPUs through NVML: the energy counter where there is one, else power. The one file importing pynvml.

The counter (mJ since the driver was loaded, Volta and newer) ticks about every 100 ms. It restarts when the driver
reloads or the device is reset, and "unsupported" is an error code, never 0.

On a superchip (Grace Hopper) there are several counters: of the GPU, and of the module with CPU and memory. Which of
them the plain counter is, is asked, not assumed (field 191 with a scope), because a module's holds the host's too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from agent.clock import Clock
from agent.errors import MeterError, MeterUnavailableError, ReadingFailedError
from agent.meters.nvml_functions import Nvml
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
from agent.meters.visible import Gpu, select

UNSUPPORTED: Final = frozenset({3, 4, 13})
"""NVML_ERROR_NOT_SUPPORTED, _NO_PERMISSION, _FUNCTION_NOT_FOUND: this figure does not exist here, others may."""

_FIELD_ENERGY: Final = 191
_SCOPE_GPU, _SCOPE_MODULE = 0, 1

_UNINITIALIZED, _NO_PERMISSION, _DRIVER_NOT_LOADED, _LIBRARY_NOT_FOUND, _VERSION_MISMATCH = 1, 4, 9, 12, 18

_INIT_FAILURES: Final = {
    _LIBRARY_NOT_FOUND: (
        "libnvidia-ml.so.1 is not on this machine: there is no NVIDIA driver",
        "install the NVIDIA driver; in a container, start it with the GPUs and NVIDIA_DRIVER_CAPABILITIES=utility",
    ),
    _DRIVER_NOT_LOADED: (
        "the NVIDIA kernel module is not loaded, or the machine has no NVIDIA GPU",
        "load it (modprobe nvidia) and see dmesg",
    ),
    _NO_PERMISSION: ("this user may not open the NVIDIA devices", "allow the user to read and write /dev/nvidia*"),
    _VERSION_MISMATCH: ("driver and library differ in version", "reboot, or reload the driver after its upgrade"),
}


def load() -> Nvml:
    """Return NVML's binding. Raises MeterUnavailableError where the package is not installed."""
    try:
        import pynvml
    except ImportError as error:
        raise MeterUnavailableError("the Python package nvidia-ml-py is not installed") from error
    return cast("Nvml", pynvml)


class Library:
    """An opened NVML, which can be opened anew after the driver went away: each opening is an epoch."""

    def __init__(self, nvml: Nvml) -> None:
        """Open NVML. Raises the vendor's NVMLError."""
        self.nvml = nvml
        self.epoch = 0
        self._stale = False
        self._users = 0
        nvml.nvmlInit()

    def gpus(self) -> tuple[Gpu, ...]:
        """Return all GPUs in NVML's order. Raises the vendor's NVMLError."""
        nvml = self.nvml
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        return tuple(Gpu(nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle)) for handle in handles)

    def mark_stale(self) -> None:
        """Have NVML opened anew before the next reading: handles do not survive a driver's reload."""
        self._stale = True

    def refresh(self) -> None:
        """Open NVML anew if it was marked stale. Raises the vendor's NVMLError."""
        if not self._stale:
            return
        try:
            self.nvml.nvmlShutdown()
        except self.nvml.NVMLError as error:
            if code_of(error) != _UNINITIALIZED:
                raise
        self.nvml.nvmlInit()
        self._stale = False
        self.epoch += 1

    def take(self) -> None:
        """Count a meter that uses this opening."""
        self._users += 1

    def release(self) -> None:
        """Shut NVML down after the last meter."""
        self._users -= 1
        if self._users == 0 and not self._stale:
            self.nvml.nvmlShutdown()


def code_of(error: Exception) -> int:
    """Return NVML's code of the vendor's exception, 999 (unknown) where it has none."""
    value = getattr(error, "value", None)
    return value if isinstance(value, int) else 999


class NvmlMeter:
    """One GPU: counter, power, utilization and whether a process holds it, each where the GPU has it."""

    simulated = False

    def __init__(self, library: Library, gpu: Gpu, clock: Clock) -> None:
        """Look at what the GPU offers.

        Raises MeterUnavailableError where it has neither counter nor power, ReadingFailedError where it gives nothing.
        """
        self._library = library
        self._clock = clock
        self._gpu = gpu
        self._epoch = -1
        self._handle: Any = None
        self._missing: set[str] = set()
        first = self.read()
        self._has_counter = first.energy_mj is not None
        if not self._has_counter and first.power_mw is None:
            raise MeterUnavailableError(f"{gpu.name} ({gpu.uuid}) reports neither energy nor power")
        self.scope: Scope = scope_of(library.nvml, self._handle) if self._has_counter else "gpu"
        library.take()

    @property
    def name(self) -> str:
        """Return "nvml-counter", or "nvml-power" where there is no counter."""
        return "nvml-counter" if self._has_counter else "nvml-power"

    @property
    def device(self) -> str:
        """Return the GPU's UUID."""
        return self._gpu.uuid

    @property
    def model(self) -> str:
        """Return the GPU's product name."""
        return self._gpu.name

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
        """Return counter, power and utilization of the moment. Raises ReadingFailedError."""
        nvml = self._library.nvml
        try:
            handle = self._open()
            energy_mj = self._figure("energy", lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle))
            stamp_ns, wall_ns = self._clock.boottime_ns(), self._clock.wall_ns()
            power_mw = self._figure("power", lambda: nvml.nvmlDeviceGetPowerUsage(handle))
            utilization = self._figure("utilization", lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
            # Who holds it is asked only while it does nothing: that is all that it decides, and it costs most.
            held = None if utilization else self._holders(handle)
        except nvml.NVMLError as error:
            self._library.mark_stale()
            raise ReadingFailedError(f"NVML gave no reading of {self._gpu.uuid}: {error}") from error
        return Reading(
            device=self._gpu.uuid,
            boottime_ns=stamp_ns,
            wall_ns=wall_ns,
            energy_mj=energy_mj,
            power_mw=power_mw,
            utilization_percent=utilization,
            held=None if held is None else held > 0,
            epoch=self._epoch,
        )

    def close(self) -> None:
        """Give NVML back."""
        self._library.release()

    def _open(self) -> Any:
        self._library.refresh()
        if self._epoch != self._library.epoch:
            self._handle = self._library.nvml.nvmlDeviceGetHandleByUUID(self._gpu.uuid)
            self._epoch = self._library.epoch
            self._missing.clear()
        return self._handle

    def _holders(self, handle: Any) -> int | None:
        return self._figure("processes", lambda: len(self._library.nvml.nvmlDeviceGetComputeRunningProcesses(handle)))

    def _figure(self, figure: str, ask: Callable[[], int]) -> int | None:
        if figure in self._missing:
            return None
        try:
            return int(ask())
        except self._library.nvml.NVMLError as error:
            if code_of(error) not in UNSUPPORTED:
                raise
            self._missing.add(figure)
            return None


def scope_of(nvml: Nvml, handle: Any) -> Scope:
    """Return what the GPU's plain counter covers: "module" where it is nearer to the module's than to the GPU's.

    Only superchips tell the two apart; every other GPU has no counter of a module.
    """
    try:
        counter_mj = int(nvml.nvmlDeviceGetTotalEnergyConsumption(handle))
        wanted = [(_FIELD_ENERGY, _SCOPE_GPU), (_FIELD_ENERGY, _SCOPE_MODULE)]
        gpu, module = nvml.nvmlDeviceGetFieldValues(handle, wanted)
    except nvml.NVMLError:
        return "gpu"
    if gpu.nvmlReturn or module.nvmlReturn or not module.value.ullVal:
        return "gpu"
    nearer = abs(counter_mj - module.value.ullVal) < abs(counter_mj - gpu.value.ullVal)
    return "module" if nearer else "gpu"


def discover(
    nvml: Nvml,
    clock: Clock,
    *,
    asked: Sequence[str] = (),
    visible: str | None = None,
    order: str | None = None,
) -> Inventory:
    """Return a meter for each GPU chosen by ``select`` (see there for the arguments), and why others have none."""
    try:
        library = Library(nvml)
    except nvml.NVMLError as error:
        return Inventory(unavailable=(_why_closed(error),))
    library.take()
    try:
        gpus = library.gpus()
        if not gpus:
            lack = Unavailable("nvml", "NVML runs but there is no GPU", "see nvidia-smi", absent=True)
            return Inventory(unavailable=(lack,))
        chosen = select(gpus, asked=asked, visible=visible, order=order)
        return _meters(library, chosen, clock)
    except nvml.NVMLError as error:
        return Inventory(unavailable=(_why_closed(error),))
    except MeterUnavailableError as error:
        return Inventory(unavailable=(Unavailable("nvml", error.detail, "name the GPUs with --gpu UUID"),))
    finally:
        library.release()


def _why_closed(error: Exception) -> Unavailable:
    code = code_of(error)
    reason, remedy = _INIT_FAILURES.get(code, (f"NVML cannot be opened: {error}", "see dmesg"))
    return Unavailable("nvml", reason, remedy, absent=code in {_LIBRARY_NOT_FOUND, _DRIVER_NOT_LOADED})


def _meters(library: Library, gpus: Sequence[Gpu], clock: Clock) -> Inventory:
    meters: list[Meter] = []
    missing: list[Unavailable] = []
    for gpu in gpus:
        try:
            meter = NvmlMeter(library, gpu, clock)
        except MeterError as error:
            missing.append(Unavailable(f"nvml {gpu.uuid}", error.detail, "see nvidia-smi -q -d POWER"))
            continue
        meters.append(meter if meter.unit == "mJ" else IntegratingMeter(meter))
    return Inventory(tuple(meters), tuple(missing))
