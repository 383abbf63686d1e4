"""What an operator wants to know of the windows: what waits, what was refused or lost, who signs, how fresh."""

from __future__ import annotations

import contextlib
from typing import Final

from agent.clock import Clock
from agent.config import Settings
from agent.contact import Contact, read
from agent.errors import DaemonError, SpoolError
from agent.home import Home
from agent.status import WindowStatus
from agent.windows.client import ask_status
from agent.windows.nonces import NonceStore
from agent.windows.protocol import WorkerStatus
from agent.windows.server_address import socket_path
from agent.windows.spool import Gap, WindowSpool
from schemas import times
from schemas.errors import FormatError

_ASK_S: Final = 1.0


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
        pending = spool.pending()
        unsigned, next_sequence, end_us = _newest(spool, pending)
        gap = spool.forget_gap() if acknowledge_lost else spool.gap()
        contact = read(home.window_contact_file)
        return WindowStatus(
            daemon=said is not None,
            killed="" if said is not None else _killed(spool.open_since(end_us)),
            expected=settings.mode != "direct",
            signer=settings.window_signer,
            backlog=len(pending),
            unsigned=unsigned,
            next_sequence=next_sequence,
            freshness="nonce" if NonceStore(home.nonces_file, clock).good() else "chained",
            acknowledged=contact.acknowledged,
            last_acknowledged=contact.last_acknowledged,
            last_failure=contact.last_failure,
            failure=contact.failure,
            rejected=len(spool.rejected()),
            gap=_in_words(gap),
            problem=said.problem if said is not None else "",
            waits_for=_waits_for(contact, len(pending), len(spool.rejected())),
        )
    finally:
        spool.close()


def _newest(spool: WindowSpool, pending: list[str]) -> tuple[int, int, int]:
    """Return how many of the newest windows are not signed, the next sequence number, and the end of the last one."""
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
    return unsigned, following, end_us


def _waits_for(contact: Contact, pending: int, rejected: int) -> str:
    """Return on what the issuer's operator is to decide before those that wait are taken, and what can be done here."""
    if not contact.for_operator or not pending:
        return ""
    told = f"the issuer takes no window of this node before its operator has decided: {contact.for_operator}"
    if not rejected:
        return told
    return f"{told}. {rejected} were refused: once mended, green-agent submit --retry-rejected sends them first"


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
