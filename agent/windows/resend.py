"""What ``green-agent submit`` does about windows: those set aside go back to their place, if they have one still.

The daemon sends them, and what becomes of all that wait is told. One that was never signed cannot be sent by anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.config import Settings
from agent.contact import read
from agent.errors import DaemonError, SpoolError
from agent.home import Home
from agent.retry import in_words
from agent.windows.client import ask_status
from agent.windows.server_address import socket_path
from agent.windows.sign import replaced_by
from agent.windows.spool import WindowSpool
from agent.windows.spooled import SpooledWindow
from schemas.errors import FormatError
from schemas.window_header import WindowHeader

_LOOK_S: Final = 0.1
_ASK_S: Final = 1.0
NO_DAEMON: Final = "the daemon sends windows, and none answers: green-agent daemon"


@dataclass(slots=True)
class WindowsSent:
    """What became of the windows that waited."""

    put_back: int = 0
    """How many of those set aside were put back first."""
    acknowledged: int = 0
    rejected: list[tuple[str, str]] = field(default_factory=list)
    """Names in the spool, each with the reason: refused by the issuer now, or of no place to go back to."""
    remaining: int = 0
    failure: str = ""
    """What keeps those that remain; empty where nothing does."""


def key_replaced(settings: Settings, home: Home) -> Callable[[WindowHeader], bool]:
    """Return what tells a window whose key enrolment has replaced."""
    return replaced_by(Path(settings.ak_file) if settings.ak_file else home.ak_file)


def put_back(
    spool: WindowSpool, node_id: str, is_replaced: Callable[[WindowHeader], bool]
) -> tuple[int, list[tuple[str, str]]]:
    """Put back what can be sent of the windows set aside; return how many, and the others' names with the reasons."""
    taken = {_number(name) for name in spool.pending()}
    back: list[str] = []
    kept: list[tuple[str, str]] = []
    for name in spool.rejected():
        reason = why_never(spool, name, node_id, is_replaced)
        if not reason and _number(name) in taken:
            reason = "another window that waits has its number"
        if reason:
            kept.append((name, reason))
        else:
            back.append(name)
            taken.add(_number(name))
    return spool.retry_rejected(back), kept


def why_never(spool: WindowSpool, name: str, node_id: str, is_replaced: Callable[[WindowHeader], bool]) -> str:
    """Return why a window set aside can never be sent, in words; empty where the issuer may take it yet."""
    try:
        window = spool.peek_rejected(name)
        return _why_never(window, node_id, is_replaced)
    except (SpoolError, FormatError) as error:
        return error.detail


def _why_never(window: SpooledWindow, node_id: str, is_replaced: Callable[[WindowHeader], bool]) -> str:
    header = window.parsed
    if window.evidence is None:
        return "it was never signed, and its number was given to the window after it"
    if header.node_id != node_id:
        return f"it is of node {header.node_id}, and this node is {node_id} now"
    if is_replaced(header):
        return "its key was replaced by enrolment since, and the issuer takes no window of that key any more"
    return ""


def follow(
    spool: WindowSpool,
    settings: Settings,
    home: Home,
    clock: Clock,
    *,
    sleep: Callable[[float], object],
    within_s: float,
) -> WindowsSent:
    """Return what the daemon achieves with the windows that wait now, in at most ``within_s``."""
    sent = WindowsSent()
    names = spool.pending()
    problem, answers = _problem(settings, home)
    until_ns = clock.boottime_ns() + int(within_s * 1e9)
    waiting = set(names)
    while waiting and answers and clock.boottime_ns() < until_ns:
        waiting &= set(spool.pending())
        if waiting:
            sleep(_LOOK_S)
    waiting &= set(spool.pending())
    refused = set(spool.rejected())
    sent.rejected = [(name, in_words(spool.problem(name) or b"{}")) for name in names if name in refused]
    sent.remaining = len(waiting)
    sent.acknowledged = len(names) - len(waiting) - len(sent.rejected)
    if waiting:
        sent.failure = _why(spool, home, sorted(waiting), problem)
    return sent


def _problem(settings: Settings, home: Home) -> tuple[str, bool]:
    """Return what keeps the daemon from signing, and whether one answers."""
    try:
        return ask_status(socket_path(settings, home), wait_s=_ASK_S).problem, True
    except DaemonError:
        return NO_DAEMON, False


def _why(spool: WindowSpool, home: Home, waiting: Sequence[str], problem: str) -> str:
    if problem:
        return problem
    contact = read(home.window_contact_file)
    if contact.failure and contact.last_failure >= contact.last_acknowledged:
        return contact.failure
    try:
        oldest = spool.peek(waiting[0])
    except SpoolError as error:
        return error.detail
    return "the oldest is not signed yet" if oldest is not None and oldest.evidence is None else "time was up"


def _number(name: str) -> str:
    return name.partition("-")[0]
