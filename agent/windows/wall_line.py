"""Wall time as windows write it: it never steps, and lets itself be led back to the clock. Pure, integers only.

The issuer refuses a window that begins before the last one ended, and one in which the TPM's clock and the wall's
disagree by more than 2 s and 15 %. A clock that is set, by hand or after a start without network, must not end the
chain, so labels go on by CLOCK_BOOTTIME and run up to a tenth faster or slower until they agree with the clock again.
"""

from __future__ import annotations

from typing import Final

_PPM: Final = 1_000_000
_FASTEST_PPM: Final = 100_000


class WallLine:
    """Labels in ns since 1970, from CLOCK_BOOTTIME."""

    def __init__(self, boottime_ns: int, wall_ns: int, *, not_before_ns: int = 0) -> None:
        """Begin at a moment of both clocks, and never before ``not_before_ns``."""
        self._boottime_ns = boottime_ns
        self._label_ns = max(wall_ns, not_before_ns)
        self._correction_ppm = 0

    def at(self, boottime_ns: int) -> int:
        """Return the label of a moment that is not before the last turn."""
        passed_ns = boottime_ns - self._boottime_ns
        return self._label_ns + passed_ns + passed_ns * self._correction_ppm // _PPM

    def turn(self, boottime_ns: int, wall_ns: int, next_turn_ns: int) -> int:
        """Go on from here, towards the clock within about ``next_turn_ns``; return how far it is off, in ns."""
        label_ns = self.at(boottime_ns)
        off_ns = wall_ns - label_ns
        wanted_ppm = off_ns * _PPM // max(next_turn_ns, 1)
        self._boottime_ns, self._label_ns = boottime_ns, label_ns
        self._correction_ppm = max(-_FASTEST_PPM, min(_FASTEST_PPM, wanted_ppm))
        return off_ns
