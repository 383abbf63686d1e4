"""Which meters this machine has, and which of them are used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agent.clock import Clock
from agent.config import Settings
from agent.errors import MeterUnavailableError
from agent.meters import nvml
from agent.meters.nvml_functions import Nvml
from agent.meters.protocol import Inventory, Meter, Unavailable
from agent.meters.simulator import SimulatedMeter
from schemas.distribution import how_to_install


def survey(settings: Settings, environment: Mapping[str, str], clock: Clock, binding: Nvml | None = None) -> Inventory:
    """Return the real meters of this machine, and what it lacks. ``binding`` stands in for the installed NVML."""
    try:
        library = nvml.load() if binding is None else binding
    except MeterUnavailableError as error:
        remedy = how_to_install("agent")
        # Without the package nobody knows whether there is a GPU; the driver's device file tells.
        absent = not Path("/dev/nvidiactl").exists()
        return Inventory(unavailable=(Unavailable("nvml", error.detail, remedy, absent),))
    return nvml.discover(
        library,
        clock,
        asked=settings.gpus,
        visible=environment.get("CUDA_VISIBLE_DEVICES"),
        order=environment.get("CUDA_DEVICE_ORDER"),
    )


def choose(
    settings: Settings, environment: Mapping[str, str], clock: Clock, binding: Nvml | None = None
) -> tuple[Meter, ...]:
    """Return the meters that the settings ask for.

    ``auto`` falls back to the simulator only where no GPU is there at all: a GPU that is there but cannot be read,
    or GPUs that were named, are never replaced by invented figures.
    Raises MeterUnavailableError with the reason and the remedy.
    """
    if settings.meter == "simulator":
        return (SimulatedMeter(clock, seed=settings.simulator_seed),)
    found = survey(settings, environment, clock, binding)
    if found.meters and not found.unavailable:
        return found.meters
    for meter in found.meters:
        meter.close()
    if settings.meter == "auto" and not settings.gpus and not found.meters and _no_gpu(found):
        return (SimulatedMeter(clock, seed=settings.simulator_seed),)
    raise MeterUnavailableError("; ".join(f"{lack.name}: {lack.reason} ({lack.remedy})" for lack in found.unavailable))


def _no_gpu(found: Inventory) -> bool:
    return all(lack.absent for lack in found.unavailable)
