"""``green-agent submit``."""

from __future__ import annotations

import threading
import time

import msgspec

from agent.cli.call import Call
from agent.clock import Clock, SystemClock
from agent.config import Settings, check_enrolled
from agent.retry import TAKEN
from agent.session import open_submitter
from agent.spool import Spool
from agent.submit import Sent
from agent.windows.resend import WindowsSent, follow, key_replaced, put_back
from agent.windows.spool import WindowSpool


def submit(call: Call) -> int:
    """Send what waits, for at most ``--wait`` seconds, and say what came of it: records, and the daemon's windows."""
    clock = SystemClock()
    settings = check_enrolled(call.settings)
    until_s = time.monotonic() + call.options.wait
    discarded = _prepare_rejected(call, settings, clock)
    submitter = open_submitter(settings, call.home, clock, threading.Event().wait)
    try:
        sent = submitter.drain(within_s=call.options.wait)
    finally:
        submitter.close()
    windows: WindowsSent | None = None
    if call.home.windows.is_dir():
        windows, gone = _windows(call, settings, clock, max(0.0, until_s - time.monotonic()))
        discarded += gone
    if call.options.json:
        told = msgspec.to_builtins(sent) | {"discarded": discarded, "windows": msgspec.to_builtins(windows)}
        print(msgspec.json.encode(told).decode())
    else:
        _tell(call, sent, windows, discarded)
    waits = sent.remaining or (windows is not None and windows.remaining)
    refused = sent.rejected or (windows is not None and windows.rejected)
    return 1 if waits or refused else 0


def _tell(call: Call, sent: Sent, windows: WindowsSent | None, discarded: int) -> None:
    if call.options.discard_rejected:
        print(f"discarded    {discarded}")
    # A node without a daemon has records alone, and needs no noun for them.
    noun = "" if windows is None else "records "
    print(f"{noun}acknowledged {len(sent.acknowledged)}, refused {len(sent.rejected)}, waiting {sent.remaining}")
    for name, reason in sent.rejected:
        print(f"refused      {name}: {reason}" + (f"; {TAKEN}" if name in sent.taken else ""))
    if sent.failure:
        print(f"because      {sent.failure}")
    if windows is None:
        return
    back = f", put back {windows.put_back}" if call.options.retry_rejected else ""
    print(
        f"windows acknowledged {windows.acknowledged}, refused {len(windows.rejected)}, waiting {windows.remaining}{back}"
    )
    for name, reason in windows.rejected:
        print(f"refused      {name}: {reason}")
    if windows.failure:
        print(f"because      {windows.failure}")


def _prepare_rejected(call: Call, settings: Settings, clock: Clock) -> int:
    """Do with the records that were refused before as the options say; return how many were deleted."""
    spool = Spool(call.home.spool, clock, max_bytes=settings.spool_max_bytes)
    try:
        if call.options.retry_rejected:
            spool.retry_rejected()
        return spool.discard_rejected() if call.options.discard_rejected else 0
    finally:
        spool.close()


def _windows(call: Call, settings: Settings, clock: Clock, within_s: float) -> tuple[WindowsSent, int]:
    """Do the same with the windows, and see what the daemon, which sends them, achieves; and how many were deleted."""
    spool = WindowSpool(call.home.windows, clock, max_bytes=settings.spool_max_bytes)
    try:
        discarded = spool.discard_rejected() if call.options.discard_rejected else 0
        back, kept = 0, list[tuple[str, str]]()
        if call.options.retry_rejected:
            back, kept = put_back(spool, settings.node_id, key_replaced(settings, call.home))
        sent = follow(spool, settings, call.home, clock, sleep=time.sleep, within_s=within_s)
        sent.put_back = back
        sent.rejected = [*kept, *sent.rejected]
        return sent, discarded
    finally:
        spool.close()
