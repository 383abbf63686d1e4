"""A folder as Linux's powercap, with counters that a test moves."""

from __future__ import annotations

from pathlib import Path

RANGE_UJ = 262_143_328_850


class FakePowercap:
    """Zones by the names of their folders; ``add`` moves a counter as the hardware does, over its range too."""

    def __init__(self, root: Path, zones: dict[str, str], range_uj: int = RANGE_UJ) -> None:
        self.root = root
        self.range_uj = range_uj
        (root / "intel-rapl").mkdir(parents=True)
        for folder, name in zones.items():
            zone = root / folder
            zone.mkdir()
            (zone / "name").write_text(f"{name}\n")
            (zone / "max_energy_range_uj").write_text(f"{range_uj}\n")
            self.set(folder, 0)

    def set(self, folder: str, energy_uj: int) -> None:
        (self.root / folder / "energy_uj").write_text(f"{energy_uj}\n")

    def add(self, folder: str, energy_uj: int) -> None:
        path = self.root / folder / "energy_uj"
        self.set(folder, (int(path.read_text()) + energy_uj) % self.range_uj)


SERVER = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "dram",
    "intel-rapl:1": "package-1",
    "intel-rapl:1:0": "dram",
}
"""Two sockets of a server."""

LAPTOP = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "core",
    "intel-rapl:0:1": "uncore",
    "intel-rapl:1": "psys",
    "intel-rapl-mmio:0": "package-0",
}
"""One socket whose package is told twice, and with a platform zone."""
