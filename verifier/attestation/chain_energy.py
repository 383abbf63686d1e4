"""A window's energy held against the power that its node can draw, and the time in which it did. Pure, integers only.

Two clocks say how long a window took, the agent's (``duration_us``) and the wall's, and may disagree by 2 s and 15 %:
an honest agent's wall clock may have been set meanwhile. Who could use that in each window anew would put seconds of
energy into windows of a millisecond. So the 2 s are there once: ``borrowed_us`` of the state is how much of them is
used, and they come back as windows use less than their own wall time allows. All windows in a row have thus no more
energy than 1.15 times their wall time and 2 s allow. A counter ticks ten times a second, so that a window that is
shorter may have the energy of a whole tick.
"""

from __future__ import annotations

from typing import Final

from schemas.window_header import WindowHeader, clock_slack_us
from verifier.attestation.chain_state import ChainState
from verifier.attestation.errors import WindowEnergyError
from verifier.claims.bounds import MAX_ACCELERATOR_W, MAX_NODE_W

HOST_BASE_W: Final = 10_000
"""What host and network of any node may draw, beside as much again as its accelerators."""

_TICK_US: Final = 100_000
_MOST_ACCELERATOR_W: Final = int(MAX_ACCELERATOR_W)
_MOST_NODE_W: Final = int(MAX_NODE_W)
_HEADROOM_PERCENT: Final = 110
"""A power limit is held on average, not at every instant: so much of it is still taken."""


def borrowed_after(state: ChainState, header: WindowHeader, max_power_w: int | None) -> int:
    """Return how much of the clocks' 2 s is used up after a window, in µs.

    ``max_power_w`` is the power limit of all the node's accelerators together; None where it is not known: then no
    accelerator draws more than 5 kW. Host and network draw at most 10 kW and as much again as the accelerators may, or
    1 MW where that is not known.

    Raises WindowEnergyError where the window has more energy than its time allows, or than is left of the 2 s.
    """
    host_w = _MOST_NODE_W if max_power_w is None else min(HOST_BASE_W + max_power_w, _MOST_NODE_W)
    board_w = _MOST_ACCELERATOR_W * len(header.accelerators) if max_power_w is None else max_power_w
    host_mj = header.host_cpu_mj + header.host_dram_mj + header.host_other_mj + header.network_mj
    parts = (("the accelerators", header.accelerators_mj, board_w), ("host and network", host_mj, host_w))
    wall_us = header.end_us - header.start_us
    own_us = wall_us + clock_slack_us(wall_us) - clock_slack_us(0)
    needed_us = 0
    for what, energy_mj, power_w in parts:
        part_us = _time_us(energy_mj, power_w)
        if part_us > max(header.duration_us, _TICK_US):
            raise WindowEnergyError(
                f"header: {what} drew {energy_mj} mJ in {header.duration_us} µs, more than {power_w} W and a tenth"
            )
        if part_us > own_us + clock_slack_us(0) - state.borrowed_us:
            raise WindowEnergyError(
                f"header: {what} drew {energy_mj} mJ in {wall_us} µs of wall time, more than {power_w} W and a tenth, and "
                "the 2 s that the clocks may disagree by are used up by the windows before; set the node's clock"
            )
        needed_us = max(needed_us, part_us)
    return min(max(state.borrowed_us + needed_us - own_us, 0), clock_slack_us(0))


def _time_us(energy_mj: int, power_w: int) -> int:
    """Return how long it takes to draw so much at that power and a tenth, rounded up. mJ x 1000 and W x µs are both µJ."""
    if energy_mj == 0:
        return 0
    return -(-energy_mj * 1000 * 100 // (power_w * _HEADROOM_PERCENT))
