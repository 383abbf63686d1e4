"""``green-agent submit``."""

from __future__ import annotations

import threading

import msgspec

from agent.cli.call import Call
from agent.clock import SystemClock
from agent.config import check_enrolled
from agent.retry import TAKEN
from agent.session import open_submitter
from agent.spool import Spool
from agent.windows.spool import WindowSpool


def submit(call: Call) -> int:
    """Send what waits, for at most ``--wait`` seconds, and say what came of it."""
    clock = SystemClock()
    settings = check_enrolled(call.settings)
    discarded = _prepare_rejected(call, Spool(call.home.spool, clock, max_bytes=settings.spool_max_bytes))
    if call.home.windows.is_dir():
        # The daemon sends them.
        discarded += _prepare_rejected(call, WindowSpool(call.home.windows, clock, max_bytes=settings.spool_max_bytes))
    submitter = open_submitter(settings, call.home, clock, threading.Event().wait)
    try:
        sent = submitter.drain(within_s=call.options.wait)
    finally:
        submitter.close()
    if call.options.json:
        print(msgspec.json.encode(msgspec.to_builtins(sent) | {"discarded": discarded}).decode())
    else:
        if call.options.discard_rejected:
            print(f"discarded    {discarded}")
        print(f"acknowledged {len(sent.acknowledged)}, refused {len(sent.rejected)}, waiting {sent.remaining}")
        for name, reason in sent.rejected:
            print(f"refused      {name}: {reason}" + (f"; {TAKEN}" if name in sent.taken else ""))
        if sent.failure:
            print(f"because      {sent.failure}")
    return 1 if sent.remaining or sent.rejected else 0


def _prepare_rejected(call: Call, spool: Spool | WindowSpool) -> int:
    """Do with what was refused before as the options say; return how much was deleted."""
    try:
        if call.options.retry_rejected:
            spool.retry_rejected()
        return spool.discard_rejected() if call.options.discard_rejected else 0
    finally:
        spool.close()
