"""Wall time held against the TPM's clock, window by window of an epoch. Pure. Why so: docs/decisions/0011.

A quote is made after its window's end, and nobody can say how long after. So behind quotes that were late, an honest
node's wall time seems to run ahead of the TPM's clock: that is told. What no honest node makes is a quote of a window
that is not over yet; and when a quote was made at the latest, the arrival of an earlier one here says.
"""

from __future__ import annotations

from typing import Final

from schemas.window_header import clock_slack_us
from verifier.attestation.chain_state import ChainState, Flag, FlagKind, Pace
from verifier.attestation.errors import ClockDriftError

MAX_AHEAD_US: Final = 60_000_000
"""How far ahead of our clock a window may end: as far as two clocks may differ."""


def judge_pace(state: ChainState, pace: Pace, digest: str) -> list[Flag]:
    """Return what the two clocks tell of a window that ended at ``pace.wall_us`` and was quoted at ``pace.clock_ms``.

    Raises ClockDriftError where it ended after its quote was made (``state.arrived``); where an operator accepted
    that of this very window, whose digest is ``digest``, it is told.
    """
    return [*_quoted_before_its_end(state, pace, digest), *_told(state, pace)]


def shows_late(state: ChainState, pace: Pace) -> bool:
    """Return whether the windows of this epoch were quoted late up to here, by this one's word: it counts from now on.

    Nobody knows how long after its end a window was quoted: the TPM was away, or the agent was killed in between.
    """
    if state.first is None:
        return False
    tpm_us, wall_us = pace.since(state.first)
    return wall_us - tpm_us > clock_slack_us(wall_us)


def arrival(state: ChainState, clock_ms: int, received_us: int | None, digest: str) -> Pace | None:
    """Return what later windows are held against once one that was quoted at ``clock_ms`` arrived at ``received_us``.

    Of two arrivals the one that allows less: sooner after its quote, or later, as far as the clocks may differ.
    """
    before = state.arrived
    if received_us is None:
        return before
    own = Pace(clock_ms, received_us)
    if before is None or _is_accepted(state, digest):
        return own
    tpm_us, wall_us = own.since(before)
    may_differ_us = clock_slack_us(wall_us) - clock_slack_us(0)
    return own if wall_us - may_differ_us <= tpm_us else before


def _quoted_before_its_end(state: ChainState, pace: Pace, digest: str) -> list[Flag]:
    if state.arrived is None:
        return []
    tpm_us, wall_us = pace.since(state.arrived)
    if wall_us - tpm_us <= MAX_AHEAD_US + clock_slack_us(wall_us):
        return []
    detail = (
        f"{tpm_us} µs went by on the TPM's clock since an earlier window came here, and the window ends {wall_us} µs "
        "after that: it was quoted before it was over"
    )
    gap = state.accepted_gap
    if gap is None or not _is_accepted(state, digest):
        raise ClockDriftError(f"attest: {detail}, by more than a minute, 2 s and 15 %; set the node's clock")
    told = f"{detail}; an operator of the issuer accepted that"
    return [Flag(FlagKind.GAP_ACCEPTED, f"{told}: {gap.reason}" if gap.reason else told)]


def _is_accepted(state: ChainState, digest: str) -> bool:
    """Return whether an operator was shown this very window, and accepted that its clocks disagree."""
    gap = state.accepted_gap
    return gap is not None and gap.drift and gap.window == digest


def _told(state: ChainState, pace: Pace) -> list[Flag]:
    """Return whether this quote was late, or those before it."""
    if state.first is None or state.clock_ms is None or state.end_us is None:
        return []
    last = Pace(state.clock_ms, state.end_us)
    tpm_us, wall_us = pace.since(last)
    detail = f"{tpm_us} µs went by on the TPM's clock for {wall_us} µs of wall time"
    if tpm_us - wall_us > clock_slack_us(wall_us):
        return [Flag(FlagKind.QUOTED_LATE, detail)]
    if shows_late(state, pace):
        return [Flag(FlagKind.QUOTED_LATE, f"{detail}: the quote before was late, or wall time ran ahead")]
    return []
