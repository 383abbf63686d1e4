"""What the daemon costs a node: CPU time of its process at 1 Hz with 8 GPUs and two sockets, nothing running.

The whole daemon runs (meters, windows of 10 s, signing with a software key, the spool on disk), offline. The GPUs are
a binding that answers at once, so the time inside NVIDIA's driver is not in it (some ms of a reading are, on a real
machine, spent there; ``green-agent meters --check`` tells how long one takes). RAPL is files in a folder.
"""

# ruff: noqa: ARG002, N802, N803 - the vendor's functions and names

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from agent.clock import SystemClock
from agent.config import Settings
from agent.errors import NoAnswerError
from agent.meters import rapl
from agent.meters.choose import survey
from agent.windows.daemon import Daemon
from agent.windows.nonces import NonceStore
from agent.windows.sign import SoftwareWindowSigner
from agent.windows.spool import WindowSpool
from did.signers.software import SoftwareSigner

GPUS = 8
SECONDS = 60.0
AIM_PERCENT = 0.5
_WARM_UP_S = 5.0


class Cost(NamedTuple):
    """CPU time of the daemon's process over wall time, in percent of a core, and how long it was watched."""

    percent_of_a_core: float
    seconds: float


class FakeDriver:
    """NVML's functions over counters that follow the clock: 8 GPUs at 400 W that do nothing, held by a process."""

    class NVMLError(Exception):
        value = 3

    def __init__(self) -> None:
        self.begun_s = time.monotonic()

    def nvmlInit(self) -> None:
        pass

    def nvmlShutdown(self) -> None:
        pass

    def nvmlDeviceGetCount(self) -> int:
        return GPUS

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> int:
        return int(uuid.rpartition("-")[2])

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return f"GPU-5fd4f087-86f3-7a43-b711-{handle:012}"

    def nvmlDeviceGetName(self, handle: int) -> str:
        return "NVIDIA H100 80GB HBM3"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        return int((time.monotonic() - self.begun_s) * 400_000)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        return 400_000

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        return SimpleNamespace(gpu=0, memory=0)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[int]:
        return [1]

    def nvmlDeviceGetFieldValues(self, handle: int, fieldIds: Any) -> Any:
        raise self.NVMLError


class Nowhere:
    """A way to no issuer."""

    def post(self, path: str, body: bytes, *, timeout_s: float, headers: Any = None) -> Any:
        raise NoAnswerError("the benchmark has no issuer")

    def close(self) -> None:
        pass


def agent_cost(seconds: float = SECONDS) -> Cost:
    """Run the daemon in a process of its own for so long, and return what it cost."""
    with tempfile.TemporaryDirectory() as folder:
        zones = _powercap(Path(folder))
        command = [sys.executable, "-m", "bench.agent_cost", "--child", str(seconds), folder]
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=Path(__file__).parents[1]
        )
        # The counters are moved from outside: that is no cost of the daemon's.
        while child.poll() is None:
            _move(zones)
            time.sleep(0.2)
        said = child.stdout.read() if child.stdout is not None else ""
    return Cost(**json.loads(said.splitlines()[-1]))


def _powercap(root: Path) -> list[Path]:
    zones = []
    for folder, name in (("0", "package-0"), ("0:0", "dram"), ("1", "package-1"), ("1:0", "dram")):
        zone = root / f"intel-rapl:{folder}"
        zone.mkdir()
        (zone / "name").write_text(f"{name}\n")
        (zone / "max_energy_range_uj").write_text("262143328850\n")
        zones.append(zone)
    _move(zones)
    return zones


def _move(zones: list[Path]) -> None:
    for zone in zones:
        part = zone / "part"
        part.write_text(f"{int(time.monotonic() * 150_000_000)}\n")
        part.rename(zone / "energy_uj")


def _child(seconds: float, powercap: Path) -> Cost:
    clock = SystemClock()
    settings = Settings(node_id="bench", issuer="https://issuer.invalid", run_submit_s=0)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        host = rapl.discover(clock, powercap).meters
        spool = WindowSpool(home / "windows", clock, max_bytes=settings.spool_max_bytes)
        signer = SoftwareWindowSigner(SoftwareSigner(ec.generate_private_key(ec.SECP256R1())), "bench", 1)
        daemon = Daemon(
            settings,
            meters=survey(settings, {}, clock, FakeDriver()).meters,
            host=host,
            spool=spool,
            signer=signer,
            nonces=NonceStore(home / "nonces", clock),
            transport=Nowhere(),
            clock=clock,
            socket=home / "socket",
        )
        stop = threading.Event()
        thread = threading.Thread(target=daemon.run, args=(stop,))
        thread.start()
        time.sleep(_WARM_UP_S)
        begun_s, spent_s = time.monotonic(), time.process_time()
        time.sleep(seconds)
        wall_s, used_s = time.monotonic() - begun_s, time.process_time() - spent_s
        stop.set()
        thread.join()
        spool.close()
    return Cost(round(used_s / wall_s * 100, 3), round(wall_s, 1))


def measured(cost: Cost) -> str:
    """Say how it was measured."""
    return f"{GPUS} GPUs and two sockets at 1 Hz for {cost.seconds:g} s, offline; aim: at most {AIM_PERCENT} %"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(_child(float(sys.argv[2]), Path(sys.argv[3]))._asdict()))
    else:
        found = agent_cost(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
        print(f"the daemon costs {found.percent_of_a_core} % of a core ({measured(found)})")
