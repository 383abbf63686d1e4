"""Which accelerators' meters this machine has, and which of them are used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.config import Settings
from agent.errors import MeterUnavailableError
from agent.meters import amd, nvml, replay
from agent.meters.amd import Amdsmi
from agent.meters.deadline import Caller, DeadlineMeter
from agent.meters.nvml_functions import Nvml
from agent.meters.protocol import Inventory, Meter, Unavailable
from agent.meters.simulator import SimulatedMeter
from schemas.distribution import how_to_install

_AMD_KERNEL: Final = Path("/sys/module/amdgpu")


def survey(
    settings: Settings,
    environment: Mapping[str, str],
    clock: Clock,
    binding: Nvml | None = None,
    amd_binding: Amdsmi | None = None,
    *,
    everything: bool = False,
) -> Inventory:
    """Return the real meters of this machine's accelerators, and what it lacks, each library behind a deadline.

    Of AMD's only where they are asked for, or there is such a GPU, or ``everything``: no lack of an NVIDIA node.

    ``binding`` and ``amd_binding`` stand in for the installed NVML and AMD SMI.
    """
    found = [_nvidia(settings, environment, clock, binding)] if everything or settings.meter != "amd" else []
    has_amd = settings.meter == "auto" and (amd_binding is not None or _AMD_KERNEL.exists())
    if everything or has_amd or settings.meter == "amd":
        found.append(amd.survey(clock, settings.gpus, amd_binding))
    return Inventory(
        tuple(meter for one in found for meter in _with_deadline(one.meters)),
        tuple(lack for one in found for lack in one.unavailable),
    )


def choose(
    settings: Settings,
    environment: Mapping[str, str],
    clock: Clock,
    binding: Nvml | None = None,
    amd_binding: Amdsmi | None = None,
) -> tuple[Meter, ...]:
    """Return the meters that the settings ask for.

    ``auto`` falls back to the simulator only where no GPU is there at all: a GPU that is there but cannot be read,
    or GPUs that were named, are never replaced by invented figures.
    Raises MeterUnavailableError with the reason and the remedy.
    """
    if settings.meter == "simulator":
        return (SimulatedMeter(clock, seed=settings.simulator_seed),)
    if settings.meter == "replay":
        return _replayed(settings, clock)
    found = survey(settings, environment, clock, binding, amd_binding)
    if found.meters and _nothing_left_out(found):
        return found.meters
    for meter in found.meters:
        meter.close()
    if settings.meter == "auto" and not settings.gpus and not found.meters and _nothing_left_out(found):
        return (SimulatedMeter(clock, seed=settings.simulator_seed),)
    raise MeterUnavailableError("; ".join(f"{lack.name}: {lack.reason} ({lack.remedy})" for lack in found.unavailable))


def _replayed(settings: Settings, clock: Clock) -> tuple[Meter, ...]:
    if not settings.replay_file:
        raise MeterUnavailableError("meter is replay: set replay_file, which green-agent meters --record FILE writes")
    meters = replay.accelerators(replay.read(Path(settings.replay_file)), clock, loop=settings.replay_loop)
    if not meters:
        raise MeterUnavailableError(f"replay_file: {settings.replay_file} holds no accelerator")
    return meters


def _nvidia(settings: Settings, environment: Mapping[str, str], clock: Clock, binding: Nvml | None = None) -> Inventory:
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


def _with_deadline(meters: tuple[Meter, ...]) -> list[Meter]:
    caller = Caller()
    return [DeadlineMeter(meter, caller) for meter in meters]


def _nothing_left_out(found: Inventory) -> bool:
    return all(lack.absent for lack in found.unavailable)
