"""Windows held against those before them, as far as they are at hand: what an auditor sees of a chain.

An issuer refuses what does not follow. An auditor may have been handed a part: what is missing in between is told,
and what contradicts (a fork, a clock that went back, energy twice) is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schemas import times
from verifier.attestation import chain
from verifier.attestation.chain_state import ChainState, Flag, FlagKind
from verifier.attestation.errors import (
    AttestationError,
    EpochError,
    ForkError,
    RollbackError,
    SequenceGapError,
    WindowOverlapError,
)
from verifier.attestation.window import CheckedWindow, Opening
from verifier.enrolment import follows_opening
from verifier.notices import Notice
from verifier.report import Finding, Result, failed, passed, warning

# The credential itself says it of each window (freshness).
_SAID_BY_THE_CREDENTIAL: Final = frozenset({FlagKind.CHAINED})


@dataclass(frozen=True, slots=True)
class Followed:
    """The state after a window, and what was found on the way there."""

    state: ChainState
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing contradicts what went before."""
        return all(finding.result is not Result.FAILED for finding in self.findings)


def begin(window: CheckedWindow, openings: Sequence[Opening] = ()) -> Followed:
    """Return the state after the first window that is at hand.

    With the opening that it follows directly among ``openings``, the chain is seen from its beginning; else from
    here on.
    """
    header = window.header
    for opening in openings:
        if opening.key.digest == header.ak and follows_opening(opening, header):
            step = chain.begin(header.node_id, opening, next_sequence=header.sequence)
            return follow(step.state, window)
    if header.previous is None:
        return Followed(chain.resume(window), (passed("window 0 is the first of its agent"),))
    told = f"the chain is seen from window {header.sequence} on; the one before, {header.previous}, is not at hand"
    return Followed(chain.resume(window), (passed(told),))


def follow(
    state: ChainState, window: CheckedWindow, *, now: datetime | None = None, openings: Sequence[Opening] = ()
) -> Followed:
    """Return the state after ``window``, with what lies between it and the window before.

    ``openings`` are those of enrolments and boot events that are at hand, in no order. Without ``now`` the window
    may lie at any time. Nothing is raised: what does not follow is a finding that fails, and a window that forks
    or repeats leaves the state as it was.
    """
    header = window.header
    if header.node_id == state.node_id and (header.key, header.ak) != (state.key, state.ak):
        return _under_another_key(state, window, openings)
    now_us = header.end_us if now is None else times.to_microseconds(now)
    findings: list[Finding] = []
    try:
        state, flags = _in_its_epoch(state, window, openings)
        findings += _told(flags)
        step = chain.advance(state, window, now_us=now_us)
    except SequenceGapError:
        return _beyond_a_gap(state, window, findings)
    except EpochError:
        # Raised after all else held but for the register, which begins anew with the machine.
        told = f"from {_dotted(state.epoch)} to {header.boot_epoch}, and no opening quote of it is at hand"
        findings += _told([Flag(FlagKind.EPOCH_CHANGED, told), *chain.gaps(state, header)])
        return Followed(chain.resume(window), tuple(findings))
    except AttestationError as error:
        return Followed(state, (*findings, _failed(window, error)))
    follows = passed(f"window {header.sequence} follows from the one before")
    return Followed(step.state, (*findings, follows, *_told(step.flags)))


def follow_on(
    states: MutableMapping[str, ChainState],
    window: CheckedWindow,
    *,
    now: datetime | None = None,
    openings: Sequence[Opening] = (),
) -> tuple[Finding, ...]:
    """Return what is found of a window behind its node's last one, whose state is kept in ``states``; as begin and follow."""
    node_id = window.header.node_id
    state = states.get(node_id)
    followed = begin(window, openings) if state is None else follow(state, window, now=now, openings=openings)
    states[node_id] = followed.state
    return followed.findings


def _in_its_epoch(
    state: ChainState, window: CheckedWindow, openings: Sequence[Opening]
) -> tuple[ChainState, tuple[Flag, ...]]:
    """Return the state in the epoch of ``window``, where an opening leads there. Raises ChainError."""
    if window.quote is None or window.quote.epoch == state.epoch:
        return state, ()
    for opening in openings:
        same_chain = opening.previous == state.previous and opening.key.digest == state.ak
        if same_chain and opening.quote.epoch == window.quote.epoch:
            step = chain.open_epoch(state, opening)
            return step.state, step.flags
    return state, ()


def _beyond_a_gap(state: ChainState, window: CheckedWindow, findings: list[Finding]) -> Followed:
    """Go on behind windows that are missing: only time, counters and clock can be compared across them."""
    header = window.header
    first, last = state.next_sequence, header.sequence - 1
    missing = f"window {first} is" if first == last else f"windows {first} to {last} are"
    told = (
        f"{missing} not at hand: nothing is said of them. The one before is {state.previous}, and window "
        f"{header.sequence} follows {header.previous}"
    )
    findings = [*findings, warning(Notice.WINDOWS_MISSING, told)]
    findings += [_failed(window, error) for error in _contradictions(state, window)]
    return Followed(chain.resume(window), (*findings, *_told(chain.gaps(state, header))))


def _under_another_key(state: ChainState, window: CheckedWindow, openings: Sequence[Opening]) -> Followed:
    """Go on under a key that was enrolled later: the numbers go on, and the window before is the old key's last."""
    header = window.header
    findings = [
        warning(Notice.NODE_KEY_CHANGED, f"node {header.node_id} signs with {header.key}, before with {state.key}")
    ]
    if header.sequence < state.next_sequence or (
        header.sequence == state.next_sequence and header.previous != state.previous
    ):
        told = f"header: previous is {header.previous}; the last window of the key before is {state.previous}"
        return Followed(state, (*findings, _failed(window, ForkError(told))))
    if header.sequence > state.next_sequence:
        return _beyond_a_gap(state, window, findings)
    findings += [_failed(window, error) for error in _contradictions(state, window)]
    begun = begin(window, openings)
    return Followed(begun.state, (*findings, *begun.findings, *_told(chain.gaps(state, header))))


def _contradictions(state: ChainState, window: CheckedWindow) -> Iterator[AttestationError]:
    """Yield what cannot be, whatever lies in between: energy twice, or one TPM's counters going back."""
    header, quote = window.header, window.quote
    if header.node_id == state.node_id and state.end_us is not None and header.start_us < state.end_us:
        yield WindowOverlapError(f"start_us is {header.start_us}, before the end of an earlier window, {state.end_us}")
    if quote is None or header.ak != state.ak:
        return
    try:
        chain.check_not_back(state, quote)
    except RollbackError as error:
        yield error


def _failed(window: CheckedWindow, error: AttestationError) -> Finding:
    finding = failed(error)
    return Finding(finding.result, f"window {window.header.sequence}: {finding.detail}", finding.problem)


def _told(flags: Iterable[Flag]) -> list[Finding]:
    shown = [flag for flag in flags if flag.kind not in _SAID_BY_THE_CREDENTIAL]
    return [warning(Notice[flag.kind.name], flag.detail) for flag in shown]


def _dotted(epoch: tuple[int, ...]) -> str:
    return ".".join(map(str, epoch))
