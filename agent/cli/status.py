"""``green-agent status``: each number with its noun, and the command that moves it on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from agent.cli.call import Call
from agent.clock import SystemClock
from agent.retry import TAKEN
from agent.status import Status, WindowStatus, collect
from agent.windows.inspect import inspect_windows
from schemas import decimals

_FRESHNESS: Final = {
    "nonce": "the next one carries a nonce of the issuer's (freshness nonce)",
    "chained": "the issuer's nonces are used up: the next one shows its place alone (freshness chained)",
}
_ACKNOWLEDGE: Final = "green-agent status --acknowledge-lost"


def status(call: Call) -> int:
    """Show the agent's state; 1 where something needs attention. With ``--acknowledge-lost`` losses are shown once."""
    acknowledge = call.options.acknowledge_lost
    state = collect(call.settings, call.home, SystemClock(), acknowledge_lost=acknowledge)
    windows = inspect_windows(call.settings, call.home, SystemClock(), acknowledge_lost=acknowledge)
    state = msgspec.structs.replace(state, windows=windows)
    if call.options.json:
        print(msgspec.json.encode(state).decode())
        return int(state.needs_attention)
    for name, lines in _sections(state, acknowledged=acknowledge):
        for number, line in enumerate(lines):
            print(f"{name if number == 0 else '':<14}{line}")
    return int(state.needs_attention)


def _sections(state: Status, *, acknowledged: bool) -> Iterator[tuple[str, list[str]]]:
    yield "node", [state.node_id or "not enrolled: green-agent enroll --issuer URL --token TOKEN"]
    yield "issuer", [state.issuer or "-"]
    yield "key", [state.key]
    yield "home", [state.home]
    if state.windows is not None:
        running = "measuring" if state.windows.daemon else "NOT RUNNING (green-agent daemon)"
        yield "daemon", [f"{running}, windows signed by a {state.windows.signer} key"]
        yield "windows", [*_windows(state.windows)]
    if state.windows is None or state.has_records:
        yield "records", [*_records(state, acknowledged=acknowledged)]
    if state.unmeasured:
        after = "; counted from 0 now" if acknowledged else f" ({_ACKNOWLEDGE}, once seen)"
        pieces = "1 piece of work was" if state.unmeasured == 1 else f"{state.unmeasured} pieces of work were"
        told = f"{pieces} not measured, last {state.last_unmeasured}"
        yield "NOT MEASURED", [f"{told}: {state.unmeasured_reason}{after}"]


def _windows(windows: WindowStatus) -> Iterator[str]:
    unsigned = f", {windows.unsigned} of them unsigned" if windows.unsigned else ""
    yield f"{windows.backlog} wait{unsigned}; next number {windows.next_sequence}"
    if windows.stalled:
        yield f"WAITING {windows.stalled}"
    yield f"{windows.acknowledged} acknowledged, last {windows.last_acknowledged or 'never'}"
    yield _FRESHNESS[windows.freshness]
    if windows.failure:
        yield f"last failure {windows.last_failure}: {windows.failure}"
    if windows.waits_for:
        yield f"WAITING {windows.waits_for}"
    if windows.problem:
        yield f"NOT SIGNED {windows.problem}"
    if windows.rejected:
        kwh = decimals.render(decimals.kwh_from_mj(windows.rejected_mj))
        retry = f"--retry-rejected sends {windows.sendable} again once mended, " if windows.sendable else ""
        discard = "--discard-rejected deletes them for good"
        yield f"{windows.rejected} refused or set aside, {kwh} kWh (green-agent submit: {retry}{discard})"
    for rejection in windows.rejections:
        never = "; it can never be sent" if rejection.taken else ""
        yield f"  {rejection.record}: {rejection.problem}{never}"
    if windows.killed:
        yield f"LOST {windows.killed}"
    if windows.gap:
        yield f"LOST {windows.gap} ({_ACKNOWLEDGE}, once seen)"


def _records(state: Status, *, acknowledged: bool) -> Iterator[str]:
    waiting = f", the oldest since {state.oldest} (green-agent submit)" if state.backlog else ""
    yield f"{state.backlog} wait{waiting}"
    yield f"{state.acknowledged} acknowledged, last {state.last_acknowledged or 'never'}"
    if state.failure:
        yield f"last failure {state.last_failure}: {state.failure}"
    if state.rejected:
        retry = "--retry-rejected once mended, or " if state.may_be_retried else ""
        yield f"{state.rejected} refused (green-agent submit {retry}--discard-rejected)"
    for rejection in state.rejections:
        yield f"  {rejection.record}: {rejection.problem}" + (f"; {TAKEN}" if rejection.taken else "")
    if state.lost:
        after = "; counted from 0 now" if acknowledged else f": make room, then {_ACKNOWLEDGE}"
        yield f"{state.lost} lost, last {state.last_lost}{after}"
