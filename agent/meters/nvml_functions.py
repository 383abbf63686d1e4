"""The functions of NVML that we call (NVML API reference, "Device Queries")."""

from __future__ import annotations

from typing import Any, Protocol


class Nvml(Protocol):
    """The functions of NVML that we call, under the vendor's names; the module ``pynvml`` is one."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None:  # noqa: N802 - the vendor's name
        """Open NVML."""
        ...

    def nvmlShutdown(self) -> None:  # noqa: N802 - the vendor's name
        """Close what nvmlInit opened."""
        ...

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - the vendor's name
        """Return the number of GPUs."""
        ...

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:  # noqa: N802 - the vendor's name
        """Return the handle of a GPU by its place in the order of PCI bus ids."""
        ...

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Any:  # noqa: N802 - the vendor's name
        """Return the handle of a GPU by its UUID."""
        ...

    def nvmlDeviceGetUUID(self, handle: Any) -> str:  # noqa: N802 - the vendor's name
        """Return the UUID, such as "GPU-5fd4f087-…"."""
        ...

    def nvmlDeviceGetName(self, handle: Any) -> str:  # noqa: N802 - the vendor's name
        """Return the product name."""
        ...

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any) -> int:  # noqa: N802 - the vendor's name
        """Return the energy since the driver was loaded, in mJ."""
        ...

    def nvmlDeviceGetPowerUsage(self, handle: Any) -> int:  # noqa: N802 - the vendor's name
        """Return the power in mW: a 1 s average on Ampere and newer."""
        ...

    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any:  # noqa: N802 - the vendor's name
        """Return an object whose ``gpu`` is a percentage."""
        ...

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> Any:  # noqa: N802 - the vendor's name
        """Return the processes with a compute context on the GPU, each with ``pid``."""
        ...

    def nvmlDeviceGetFieldValues(self, handle: Any, fieldIds: Any) -> Any:  # noqa: N802, N803 - the vendor's names
        """Return a value for each pair of field and scope, with ``nvmlReturn`` and ``value.ullVal``."""
        ...
