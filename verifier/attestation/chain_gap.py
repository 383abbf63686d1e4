"""Windows that are lost for good: how a chain goes on behind them once an operator has said so, once.

The windows in between can come no more: they were refused, too old, or on a disk that failed. The next one names a
window before it that nobody here has seen, and its quote holds a register whose value cannot be derived again. So the
chain goes on as if an epoch were opened: from what the quote, or the opening quote that came along, holds.

Everything else holds as ever: the number is above all that were taken; node and key are the same; neither the boot
epoch nor the TPM's clock nor wall time goes back; no time is counted twice; a nonce is the node's own. And it is told.
"""

from __future__ import annotations

import msgspec

from schemas import base64url
from schemas.window_header import WindowHeader
from verifier.attestation import chain
from verifier.attestation.chain_state import ChainState, Flag, FlagKind, Step
from verifier.attestation.errors import ForkError, SequenceGapError
from verifier.attestation.window import CheckedWindow, Opening


def before(state: ChainState, window: CheckedWindow, opening: Opening | None = None) -> Step:
    """Return the state that ``window`` has to follow (chain.advance), and what is to be told on the way there.

    Behind missing windows that is one beside which those numbers came and went; else it is ``state``, in the epoch of
    ``opening`` where a boot event came along. Raises SequenceGapError where windows are missing and no gap was
    accepted or more are missing than the operator saw, ForkError where the opening names another window before than the header, and as chain.open_epoch.
    """
    header = window.header
    told: tuple[Flag, ...] = ()
    if header.sequence > state.next_sequence:
        if state.accepted_gap is None or state.accepted_gap.drift:
            raise SequenceGapError(f"header: sequence is {header.sequence}; {_missing(state, header)} never came here")
        if state.accepted_gap.last is None or header.sequence - 1 > state.accepted_gap.last:
            raise SequenceGapError(
                f"header: sequence is {header.sequence}; {_missing(state, header)} never came here, and the gap that an "
                f"operator accepted {_ends(state.accepted_gap.last)}"
            )
        told = (_flag(state, header),)
        state = _beyond(state, window, opening)
    if opening is None:
        return _moved_on(state, window, told)
    step = chain.open_epoch(state, opening)
    return Step(step.state, (*told, *step.flags))


def _beyond(state: ChainState, window: CheckedWindow, opening: Opening | None) -> ChainState:
    """Return the state as if all numbers before the window's were taken; its register is the opening's, or not known."""
    header = window.header
    if opening is not None and opening.previous != header.previous:
        raise ForkError(f"boot_event: it follows {opening.previous}, the window that came with it {header.previous}")
    value = None if opening is None else base64url.encode(opening.chain_value)
    return msgspec.structs.replace(
        state,
        next_sequence=header.sequence,
        previous=header.previous,
        chain_value=None if window.quote is None else value,
    )


def _moved_on(state: ChainState, window: CheckedWindow, told: tuple[Flag, ...]) -> Step:
    """Return the state in the window's epoch where the opening quote of that epoch is among what was lost."""
    quote = window.quote
    if not told or quote is None or quote.epoch == state.epoch:
        return Step(state, told)
    chain.check_not_back(state, quote)
    detail = f"from {_dotted(state.epoch)} to {_dotted(quote.epoch)}; its opening quote is among what is missing"
    # The clock was compared; after a reset without an orderly shutdown it may be lower (check_not_back).
    state = msgspec.structs.replace(state, epoch=quote.epoch, clock_ms=None, first=None, arrived=None)
    return Step(state, (*told, Flag(FlagKind.EPOCH_CHANGED, detail)))


def _flag(state: ChainState, header: WindowHeader) -> Flag:
    reason = "" if state.accepted_gap is None else state.accepted_gap.reason
    last = "no window was taken before" if state.previous is None else f"the last one taken is {state.previous}"
    detail = (
        f"{_missing(state, header)} never came: {last}, and window {header.sequence} names {header.previous} as the "
        "one before it; an operator of the issuer accepted the gap"
    )
    return Flag(FlagKind.GAP_ACCEPTED, f"{detail}: {reason}" if reason else detail)


def _ends(last: int | None) -> str:
    return "does not say which" if last is None else f"ends with window {last}"


def _missing(state: ChainState, header: WindowHeader) -> str:
    first, last = state.next_sequence, header.sequence - 1
    return f"window {first}" if first == last else f"windows {first} to {last}"


def _dotted(epoch: tuple[int, ...]) -> str:
    return ".".join(map(str, epoch))
