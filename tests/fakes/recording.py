"""An invented recording of an H100 at 20 Hz: idle, idle with weights resident, load, idle again.

No GPU made it, and its header says so. ``python -m tests.fakes.recording`` writes it anew. Counter and power have what
is known of real ones: the counter ticks every 100 ms, power is an average over the last second.
"""

from __future__ import annotations

import json
from pathlib import Path

PLACE = Path(__file__).parents[1] / "agent" / "meters" / "recordings" / "h100.synthetic.jsonl"

_PHASES = ((15, 70_000, 0, False), (15, 118_000, 0, True), (25, 640_000, 97, True), (5, 70_000, 0, False))
"""Seconds, power in mW, utilization in percent, and whether a process holds it."""
_PERIOD_MS = 50
_TICK_MS = 100
_AVERAGE_MS = 1000


def lines() -> list[str]:
    """Return the lines of the file."""
    truth = [phase for phase in _PHASES for _ in range(phase[0] * 1000)]
    power_mw = [0]
    for _, mw, _, _ in truth:
        power_mw.append(power_mw[-1] + mw)
    meter = {
        "name": "nvml-counter",
        "device": "GPU-00000000-0000-0000-0000-5947e71c0000",
        "model": "NVIDIA H100 80GB HBM3 (synthetic)",
        "scope": "gpu",
        "method": "counter",
        "period_s": 0.05,
    }
    header = {"v": 1, "synthetic": True, "made_by": "tests/fakes/recording.py", "meters": [meter]}
    return [json.dumps(header), *(json.dumps(_reading(ms, truth, power_mw)) for ms in range(0, len(truth), _PERIOD_MS))]


def _reading(ms: int, truth: list[tuple[int, int, int, bool]], sums: list[int]) -> dict[str, object]:
    tick_ms, first_ms = ms // _TICK_MS * _TICK_MS, max(0, ms - _AVERAGE_MS)
    _, now_mw, utilization, held = truth[ms]
    average_mw = (sums[ms] - sums[first_ms]) // (ms - first_ms) if ms > first_ms else now_mw
    return {
        "meter": 0,
        "t_ns": ms * 1_000_000,
        "energy_mj": 5_000_000 + sums[tick_ms] // 1000,
        "power_mw": average_mw,
        "utilization_percent": utilization,
        **({"held": held} if utilization == 0 else {}),
    }


if __name__ == "__main__":
    PLACE.parent.mkdir(exist_ok=True)
    PLACE.write_text("\n".join(lines()) + "\n")
