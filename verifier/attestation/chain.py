"""The chain of one node's windows under one key: each follows from the one before, or is refused.

The issuer keeps one ChainState a node; an auditor makes it anew from the openings and windows in their order.
Every step is pure: a state and what was checked give the next state and what is to be told. A TPM restored
from a snapshot shows the counters and clock that it had: only what is remembered here notices.
"""

from __future__ import annotations

from typing import Final

import msgspec

from did.keys import PublicKey
from schemas import base64url, digests
from schemas.tpm import pcr
from schemas.tpm.algorithms import TpmAlg
from schemas.tpm.pcr import PcrSelection
from schemas.window_header import WindowHeader
from verifier.attestation.chain_energy import borrowed_after
from verifier.attestation.chain_pace import MAX_AHEAD_US, arrival, judge_pace, shows_late
from verifier.attestation.chain_state import ChainState, Flag, FlagKind, Pace, Step
from verifier.attestation.errors import (
    ChainIdentityError,
    EpochError,
    ForkError,
    FutureWindowError,
    RollbackError,
    SequenceGapError,
    SequenceReusedError,
    WindowOverlapError,
)
from verifier.attestation.quote import Quote
from verifier.attestation.window import CheckedWindow, Opening

_BOOT_SELECTION: Final = (PcrSelection(TpmAlg.SHA256, tuple(range(8))),)


def begin(node_id: str, opening: Opening, *, next_sequence: int = 0) -> Step:
    """Return the first state of a node's chain under ``opening.key``: the opening came with its enrolment.

    With ``next_sequence`` a chain goes on under a new key; the opening then names the window before. Raises
    ForkError where the one stands without the other.
    """
    if (opening.previous is None) != (next_sequence == 0):
        raise ForkError("opening: it names the window before if and only if the chain goes on from one")
    quote = opening.quote
    state = ChainState(
        node_id=node_id,
        key=opening.key.thumbprint_uri,
        ak=opening.key.digest,
        epoch=quote.epoch,
        next_sequence=next_sequence,
        previous=opening.previous,
        clock_ms=quote.clock_info.clock_ms,
        chain_value=base64url.encode(opening.chain_value),
        firmware=_firmware(quote),
        boot_digest=_boot_digest(quote),
    )
    return Step(state, tuple(unsafe(quote)))


def begin_software(
    node_id: str, key: PublicKey, *, start: int, next_sequence: int = 0, previous: str | None = None
) -> ChainState:
    """Return the first state of a chain under a software key, of an agent whose start counter is ``start``.

    Raises ForkError where ``previous`` stands without ``next_sequence`` or the other way round.
    """
    if (previous is None) != (next_sequence == 0):
        raise ForkError("chain: the window before is named if and only if the chain goes on from one")
    return ChainState(
        node_id=node_id, key=key.thumbprint_uri, epoch=(start,), next_sequence=next_sequence, previous=previous
    )


def resume(window: CheckedWindow) -> ChainState:
    """Return the state right after ``window``, as if the chain began there: what went before is not known.

    For an auditor who was handed a part of a chain; an issuer begins with the opening that it asked for.
    """
    header, quote = window.header, window.quote
    state = ChainState(
        node_id=header.node_id,
        key=header.key,
        ak=header.ak,
        epoch=header.boot.epoch,
        next_sequence=header.sequence + 1,
        previous=window.digest,
        end_us=header.end_us,
        counters_mj={one.uuid: one.counter_end_mj for one in header.accelerators},
    )
    if quote is None:
        return state
    return msgspec.structs.replace(
        state,
        clock_ms=quote.clock_info.clock_ms,
        chain_value=base64url.encode(window.chain_value or b""),
        firmware=_firmware(quote),
        boot_digest=_boot_digest(quote),
        first=Pace(quote.clock_info.clock_ms, header.end_us),
    )


def open_epoch(state: ChainState, opening: Opening) -> Step:
    """Return the state after a boot event: an opening quote that names the last window of ``state``.

    In a new epoch the chain's register begins with what it then holds. In the same epoch it must still hold
    what the last window left there, and nothing changes but the clock's reading being newer.

    Raises ChainIdentityError (another key), ForkError (another window before, or a register that moved
    without a window), RollbackError (counters or clock not above those remembered).
    """
    quote = opening.quote
    if opening.key.digest != state.ak:
        raise ChainIdentityError("opening: it is signed by another attestation key than this chain's")
    if opening.previous != state.previous:
        raise ForkError(f"opening: it follows {opening.previous}, and the last window here is {state.previous}")
    check_not_back(state, quote)
    if quote.epoch == state.epoch:
        if base64url.encode(opening.chain_value) != state.chain_value:
            raise ForkError("opening: the chain's register moved within this epoch, and no window here says why")
        return Step(state, tuple(unsafe(quote)))
    flags = [
        Flag(FlagKind.EPOCH_CHANGED, f"from {_dotted(state.epoch)} to {_dotted(quote.epoch)}"),
        *unsafe(quote),
        *_moved(state, quote),
    ]
    opened = msgspec.structs.replace(
        state,
        epoch=quote.epoch,
        clock_ms=quote.clock_info.clock_ms,
        chain_value=base64url.encode(opening.chain_value),
        firmware=_firmware(quote),
        boot_digest=_boot_digest(quote),
        first=None,
        arrived=None,
    )
    return Step(opened, tuple(flags))


def advance(
    state: ChainState,
    window: CheckedWindow,
    *,
    now_us: int,
    received_us: int | None = None,
    max_power_w: int | None = None,
) -> Step:
    """Return the state after ``window``, and what is to be told of it.

    ``now_us`` is our wall time in µs since 1970, ``received_us`` the same where the window arrives now (None for who
    judges it later), ``max_power_w`` the power limit of all the node's accelerators together, None where it is not
    known: see chain_energy.

    Raises ChainIdentityError, SequenceReusedError, SequenceGapError, ForkError, EpochError, RollbackError,
    ClockDriftError, WindowOverlapError, FutureWindowError (409) or WindowEnergyError (400): see errors.
    """
    header = window.header
    _check_identity(state, window)
    _check_place(state, window)
    _check_times(state, header, now_us)
    borrowed_us = borrowed_after(state, header, max_power_w)
    flags = [*_told_by(header), *_new_key(state), *gaps(state, header)]
    following = msgspec.structs.replace(
        state,
        next_sequence=header.sequence + 1,
        previous=window.digest,
        end_us=header.end_us,
        counters_mj={one.uuid: one.counter_end_mj for one in header.accelerators},
        borrowed_us=borrowed_us,
        key_before=None,
        accepted_gap=None,
    )
    if window.quote is None or window.chain_value is None:
        return _advance_software(following, header, flags)
    following = msgspec.structs.replace(
        following, arrived=arrival(state, window.quote.clock_info.clock_ms, received_us, window.digest)
    )
    return _advance_tpm(following, state, window.quote, window, flags)


def _advance_software(following: ChainState, header: WindowHeader, flags: list[Flag]) -> Step:
    """Take the start counter as the agent states it: there is nothing that could prove it."""
    epoch = header.boot.epoch
    if epoch < following.epoch:
        raise RollbackError(f"header: boot is {header.boot_epoch}, after {_dotted(following.epoch)}")
    if epoch > following.epoch:
        flags.append(Flag(FlagKind.EPOCH_CHANGED, f"from {_dotted(following.epoch)} to {header.boot_epoch}"))
    return Step(msgspec.structs.replace(following, epoch=epoch), tuple(flags))


def _advance_tpm(
    following: ChainState, state: ChainState, quote: Quote, window: CheckedWindow, flags: list[Flag]
) -> Step:
    check_not_back(state, quote)
    if quote.epoch != state.epoch:
        raise EpochError(
            f"attest: the TPM's epoch is {_dotted(quote.epoch)}, after {_dotted(state.epoch)}; send an opening quote first"
        )
    _check_chain_value(state, window)
    pace = Pace(quote.clock_info.clock_ms, window.header.end_us)
    flags += judge_pace(state, pace, window.digest)
    flags += [*unsafe(quote), *_moved(state, quote)]
    following = msgspec.structs.replace(
        following,
        clock_ms=pace.clock_ms,
        chain_value=base64url.encode(window.chain_value or b""),
        firmware=_firmware(quote),
        boot_digest=_boot_digest(quote),
        first=pace if state.first is None or shows_late(state, pace) else state.first,
    )
    return Step(following, tuple(flags))


def _check_identity(state: ChainState, window: CheckedWindow) -> None:
    header = window.header
    if header.node_id != state.node_id:
        raise ChainIdentityError(f"header: the window is of node {header.node_id}, this chain of {state.node_id}")
    if header.key != state.key or header.ak != state.ak:
        raise ChainIdentityError("header: the window is signed by another key than this chain's")
    if (window.quote is None) != (state.ak is None):
        raise ChainIdentityError("evidence: a chain under a TPM's key goes on by quotes alone, any other by signatures")


def _check_place(state: ChainState, window: CheckedWindow) -> None:
    """Raise unless the window is the next one, and follows the last."""
    sequence = window.header.sequence
    if sequence > state.next_sequence:
        raise SequenceGapError(f"header: sequence is {sequence}; {state.next_sequence} comes next")
    if sequence < state.next_sequence:
        if sequence == state.next_sequence - 1 and window.digest != state.previous:
            raise ForkError(f"header: another window {sequence} was taken before; its digest is {state.previous}")
        raise SequenceReusedError(f"header: sequence {sequence} was taken before; {state.next_sequence} comes next")
    if window.header.previous != state.previous:
        raise ForkError(f"header: previous is {window.header.previous}; the last window here is {state.previous}")


def check_not_back(state: ChainState, quote: Quote) -> None:
    """Raise RollbackError where the TPM's counters or clock are not above those remembered: a TPM that was cleared or copied.

    After a reset that came without an orderly shutdown, a TPM's clock may repeat values, and says so (safe is
    NO; Part 1 §36.2): then the reset counter, which has risen, shows that time went on.
    """
    if quote.epoch < state.epoch:
        raise RollbackError(f"attest: the TPM's epoch is {_dotted(quote.epoch)}, after {_dotted(state.epoch)}")
    lost_power = quote.epoch[0] > state.epoch[0] and not quote.clock_info.safe
    if state.clock_ms is not None and quote.clock_info.clock_ms <= state.clock_ms and not lost_power:
        raise RollbackError(f"attest: the TPM's clock is {quote.clock_info.clock_ms} ms, after {state.clock_ms} ms")


def _check_chain_value(state: ChainState, window: CheckedWindow) -> None:
    before = state.chain_value
    if before is None and state.accepted_gap is not None:
        return
    if window.chain_value != pcr.extend(base64url.decode(before or ""), digests.decode(window.digest)):
        raise ForkError(
            "pcrs: the chain's register is not the last value extended by this window: it was extended by a window "
            "that is not here, or by something else"
        )


def _check_times(state: ChainState, header: WindowHeader, now_us: int) -> None:
    if state.end_us is not None and header.start_us < state.end_us:
        raise WindowOverlapError(
            f"header: start_us is {header.start_us}, before the end of the window before, {state.end_us}"
        )
    if header.end_us > now_us + MAX_AHEAD_US:
        raise FutureWindowError(f"header: end_us is {header.end_us - now_us} µs ahead; set the node's clock")


def _told_by(header: WindowHeader) -> list[Flag]:
    if header.nonce is None:
        return [Flag(FlagKind.CHAINED, "no nonce of the issuer: when it was signed rests on the chain alone")]
    return []


def _new_key(state: ChainState) -> list[Flag]:
    if state.key_before is None:
        return []
    return [Flag(FlagKind.NODE_KEY_CHANGED, f"from {state.key_before} to {state.key}: the node enrolled again")]


def gaps(state: ChainState, header: WindowHeader) -> list[Flag]:
    """Return what lies between the last window and this one: time, and energy by the counters."""
    flags = []
    if state.end_us is not None and header.start_us > state.end_us:
        flags.append(Flag(FlagKind.TIME_GAP, f"{header.start_us - state.end_us} µs since the window before"))
    for one in header.accelerators:
        before = state.counters_mj.get(one.uuid)
        if before is not None and one.counter_start_mj < before:
            flags.append(Flag(FlagKind.COUNTER_SET_BACK, f"{one.uuid}: from {before} to {one.counter_start_mj} mJ"))
        elif before is not None and one.counter_start_mj > before:
            flags.append(Flag(FlagKind.ENERGY_GAP, f"{one.uuid}: {one.counter_start_mj - before} mJ are in no window"))
    return flags


def unsafe(quote: Quote | None) -> list[Flag]:
    """Return whether a quote says of its own clock that it may repeat values."""
    if quote is None or quote.clock_info.safe:
        return []
    return [Flag(FlagKind.CLOCK_UNSAFE, "after losing power the TPM's clock may repeat values")]


def _moved(state: ChainState, quote: Quote) -> list[Flag]:
    """Return what changed of the platform: its TPM's firmware, and what booted."""
    flags = []
    if _firmware(quote) != state.firmware:
        flags.append(Flag(FlagKind.FIRMWARE_CHANGED, f"from {state.firmware} to {_firmware(quote)}"))
    if _boot_digest(quote) != state.boot_digest:
        flags.append(Flag(FlagKind.BOOT_PCRS_CHANGED, "PCRs 0 to 7: firmware, its settings, loader or Secure Boot"))
    return flags


def _firmware(quote: Quote) -> str:
    return f"{quote.firmware_version:016x}"


def _boot_digest(quote: Quote) -> str:
    return base64url.encode(pcr.composite_digest(_BOOT_SELECTION, quote.values, TpmAlg.SHA256))


def _dotted(epoch: tuple[int, ...]) -> str:
    return ".".join(map(str, epoch))
