"""AMD SMI at the level of its functions, with what the versions of it say in different ways."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class FakeAmdsmiError(Exception):
    """As amdsmi's."""


@dataclass
class FakeAmd:
    """A GPU: figures, "N/A" where the firmware has none, or an error."""

    uuid: str = "e0ff74a1-0000-1000-80ff-1aa1fba1e4a6"
    name: str = "AMD Instinct MI300X"
    units: Any = 1_000_000
    resolution_uj: float = 15.259
    accumulator: str = "energy_accumulator"
    power: dict[str, Any] = field(default_factory=lambda: {"socket_power": 420, "average_socket_power": "N/A"})
    activity: Any = 80
    memories: tuple[int, ...] = (4096,)
    energy_fails: bool = False
    processes_fail: bool = False


class FakeAmdsmi:
    """The module."""

    AmdSmiException: type[Exception] = FakeAmdsmiError

    def __init__(self, *gpus: FakeAmd, init_fails: bool = False) -> None:
        self.gpus = list(gpus)
        self.init_fails = init_fails

    def amdsmi_init(self) -> None:
        if self.init_fails:
            raise FakeAmdsmiError("AMDSMI_STATUS_DRIVER_NOT_LOADED")

    def amdsmi_shut_down(self) -> None:
        pass

    def amdsmi_get_processor_handles(self) -> list[FakeAmd]:
        return self.gpus

    def amdsmi_get_gpu_device_uuid(self, handle: FakeAmd) -> str:
        return handle.uuid

    def amdsmi_get_gpu_asic_info(self, handle: FakeAmd) -> dict[str, Any]:
        return {"market_name": handle.name}

    def amdsmi_get_energy_count(self, handle: FakeAmd) -> dict[str, Any]:
        if handle.energy_fails:
            raise FakeAmdsmiError("AMDSMI_STATUS_NOT_SUPPORTED")
        return {handle.accumulator: handle.units, "counter_resolution": handle.resolution_uj, "timestamp": 1}

    def amdsmi_get_power_info(self, handle: FakeAmd) -> dict[str, Any]:
        return handle.power

    def amdsmi_get_gpu_activity(self, handle: FakeAmd) -> dict[str, Any]:
        return {"gfx_activity": handle.activity, "umc_activity": 0, "mm_activity": "N/A"}

    def amdsmi_get_gpu_process_list(self, handle: FakeAmd) -> list[dict[str, Any]]:
        if handle.processes_fail:
            raise FakeAmdsmiError("AMDSMI_STATUS_NO_PERM")
        return [{"pid": pid, "memory_usage": {"vram_mem": used}} for pid, used in enumerate(handle.memories)]
