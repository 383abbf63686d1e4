"""What an operator wants to know of the windows: what waits, what was refused or lost, who signs, how fresh."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Final

from agent.clock import Clock
from agent.config import Settings
from agent.contact import Contact, read
from agent.errors import DaemonError, SpoolError
from agent.home import Home
from agent.retry import in_words
from agent.status import SHOWN, Rejection, WindowStatus
from agent.windows.client import ask_status
from agent.windows.nonces import NonceStore
from agent.windows.protocol import WorkerStatus
from agent.windows.resend import key_replaced, why_never
from agent.windows.server_address import socket_path
from agent.windows.spool import Gap, WindowSpool
from schemas import times
from schemas.errors import FormatError

STALLED_WINDOWS: Final = 6
"""For how many windows' time nothing was acknowledged, while some wait, before that needs attention."""
SHORTEST_STALL_S: Final = 20.0
"""No shorter time is one, however short windows are: an issuer may be started again."""

_ASK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What waits: how many of the newest are not signed, the next number, the last one's end, and the oldest."""

    unsigned: int
    following: int
    end_us: int
    oldest_end_us: int
    oldest_is_signed: bool


def inspect_windows(
    settings: Settings, home: Home, clock: Clock, *, acknowledge_lost: bool = False
) -> WindowStatus | None:
    """Return the state of the windows, None where no daemon ever ran here. Raises SpoolError."""
    if not home.windows.is_dir():
        return None
    said: WorkerStatus | None = None
    with contextlib.suppress(DaemonError):
        said = ask_status(socket_path(settings, home), wait_s=_ASK_S)
    spool = WindowSpool(home.windows, clock, max_bytes=settings.spool_max_bytes)
    try:
        pending, rejected = spool.pending(), spool.rejected()
        waiting = _waiting(spool, pending)
        gap = spool.forget_gap() if acknowledge_lost else spool.gap()
        contact = read(home.window_contact_file)
        never = _never(spool, settings, home, rejected)
        return WindowStatus(
            daemon=said is not None,
            killed="" if said is not None else _killed(spool.open_since(waiting.end_us)),
            expected=settings.mode != "direct",
            signer=settings.window_signer,
            backlog=len(pending),
            unsigned=waiting.unsigned,
            next_sequence=waiting.following,
            freshness="nonce" if NonceStore(home.nonces_file, clock).good() else "chained",
            acknowledged=contact.acknowledged,
            last_acknowledged=contact.last_acknowledged,
            last_failure=contact.last_failure,
            failure=contact.failure,
            rejected=len(rejected),
            rejected_mj=sum(_energy_mj(spool, name) for name in rejected),
            sendable=len(rejected) - len(never),
            rejections=tuple(_rejection(spool, name, never) for name in rejected[-SHOWN:]),
            gap=_in_words(gap),
            problem=said.problem if said is not None else "",
            waits_for=_waits_for(contact, len(pending), len(rejected) - len(never)),
            stalled=_stalled(settings, waiting, contact, clock.wall_ns() // 1000, said) if pending else "",
        )
    finally:
        spool.close()


def _waiting(spool: WindowSpool, pending: list[str]) -> _Waiting:
    head = spool.head()
    following, end_us = (head.next_sequence, head.end_us) if head is not None else (0, 0)
    unsigned = 0
    for name in reversed(pending):
        try:
            window = spool.peek(name)
            if window is None:
                continue
            header = window.parsed
            following, end_us = max(following, header.sequence + 1), max(end_us, header.end_us)
        except (SpoolError, FormatError):
            continue
        if window.evidence is not None:
            break
        unsigned += 1
    oldest_end_us, oldest_is_signed = end_us, True
    with contextlib.suppress(SpoolError, FormatError):
        oldest = spool.peek(pending[0]) if pending else None
        if oldest is not None:
            oldest_end_us, oldest_is_signed = oldest.parsed.end_us, oldest.evidence is not None
    return _Waiting(unsigned, following, end_us, oldest_end_us, oldest_is_signed)


def _never(spool: WindowSpool, settings: Settings, home: Home, rejected: list[str]) -> dict[str, str]:
    """Return which of the windows set aside can never be sent, and why."""
    is_replaced = key_replaced(settings, home)
    reasons = {name: why_never(spool, name, settings.node_id, is_replaced) for name in rejected}
    return {name: reason for name, reason in reasons.items() if reason}


def _energy_mj(spool: WindowSpool, name: str) -> int:
    try:
        return spool.peek_rejected(name).parsed.accelerators_mj
    except (SpoolError, FormatError):
        return 0


def _rejection(spool: WindowSpool, name: str, never: dict[str, str]) -> Rejection:
    told = in_words(spool.problem(name) or b"{}")
    return Rejection(record=name, problem=told, taken=name in never)


def _stalled(settings: Settings, waiting: _Waiting, contact: Contact, now_us: int, said: WorkerStatus | None) -> str:
    """Return why nothing has been acknowledged for several windows, though some wait; empty where something was."""
    limit_us = int(max(STALLED_WINDOWS * settings.window_s, SHORTEST_STALL_S) * 1_000_000)
    acknowledged_us = 0
    with contextlib.suppress(FormatError):
        # Empty, or of a damaged file: never.
        acknowledged_us = times.to_microseconds(times.parse_seconds(contact.last_acknowledged))
    quiet_us = now_us - max(waiting.oldest_end_us, acknowledged_us)
    if quiet_us <= limit_us:
        return ""
    if said is None:
        reason = "the daemon, which signs and sends them, does not answer: green-agent daemon"
    elif said.problem:
        reason = said.problem
    elif not waiting.oldest_is_signed:
        reason = "the oldest is not signed: see the daemon's log, and start it again"
    elif contact.failure and contact.last_failure >= contact.last_acknowledged:
        reason = contact.failure
    else:
        reason = "the daemon says no reason: see its log, and start it again"
    return f"none was acknowledged for {quiet_us // 1_000_000} s: {reason}"


def _waits_for(contact: Contact, pending: int, sendable: int) -> str:
    """Return on what the issuer's operator is to decide before those that wait are taken, and what can be done here."""
    if not contact.for_operator or not pending:
        return ""
    told = f"the issuer takes no window of this node before its operator has decided: {contact.for_operator}"
    if not sendable:
        return told
    return f"{told}. {sendable} were refused: once mended, green-agent submit --retry-rejected sends them first"


def _killed(open_since_us: int | None) -> str:
    if open_since_us is None:
        return ""
    since = times.render_seconds(times.from_microseconds(open_since_us))
    return (
        f"the daemon was killed, or does not answer: what it had measured since {since} and not written down is lost; "
        "its next start says from when to when"
    )


def _in_words(gap: Gap | None) -> str:
    if gap is None:
        return ""
    since, until = (times.render_seconds(times.from_microseconds(us)) for us in (gap.from_us, gap.to_us))
    energy = "energy not known" if gap.energy_mj is None else f"{gap.energy_mj} mJ"
    return f"{gap.windows} before number {gap.next_sequence}, {since} to {until}, {energy}: {gap.reason}"
