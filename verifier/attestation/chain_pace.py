"""Wall time held against the TPM's clock, window by window of an epoch. Pure."""

from __future__ import annotations

from schemas.window_header import clock_slack_us
from verifier.attestation.chain_state import ChainState, Flag, FlagKind, Pace
from verifier.attestation.errors import ClockDriftError


def judge_pace(state: ChainState, pace: Pace) -> list[Flag]:
    """Return whether the quote was made late. Raises ClockDriftError where wall time ran ahead of the TPM's clock.

    A quote comes after its window's end, at times long after: the TPM was busy, or the agent was restarted. So
    the TPM's clock may be ahead, which is told. Wall time cannot be: that would be a period that never was.
    """
    if state.first is None or state.clock_ms is None or state.end_us is None:
        return []
    last = Pace(state.clock_ms, state.end_us)
    if shows_late(state, pace):
        tpm_us, wall_us = pace.since(last)
        detail = f"{tpm_us} µs went by on the TPM's clock for {wall_us} µs of wall time: the quote before was late, or"
        return [Flag(FlagKind.QUOTED_LATE, f"{detail} wall time ran ahead")]
    tpm_us, wall_us = last.since(state.first)
    # Where the last quote was late, this one follows it sooner than their windows' ends are apart.
    late_us = max(0, tpm_us - wall_us)
    # Against the first too: 2 s and 15 % a window would let 35 % go by unseen.
    for since, allowance_us in ((last, late_us), (state.first, 0)):
        tpm_us, wall_us = pace.since(since)
        if wall_us - tpm_us > clock_slack_us(wall_us) + allowance_us:
            detail = f"attest: {tpm_us} µs went by on the TPM's clock and {wall_us} µs of wall time"
            raise ClockDriftError(f"{detail}, more than 2 s and 15 % ahead of it")
    tpm_us, wall_us = pace.since(last)
    if tpm_us - wall_us <= clock_slack_us(wall_us):
        return []
    return [Flag(FlagKind.QUOTED_LATE, f"{tpm_us} µs went by on the TPM's clock for {wall_us} µs of wall time")]


def shows_late(state: ChainState, pace: Pace) -> bool:
    """Return whether the only window known of this epoch was quoted late, by the next one's word; that one counts then.

    Nobody knows how long after its end the first was quoted: the TPM was away, or the agent was killed in between. A
    later one is held against those before it.
    """
    if state.first is None or state.settled:
        return False
    tpm_us, wall_us = pace.since(state.first)
    return wall_us - tpm_us > clock_slack_us(wall_us)
