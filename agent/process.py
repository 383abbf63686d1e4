"""What measures this process, opened once, and the count of what nothing measured."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from typing import Final

from agent.clock import SystemClock
from agent.config import load
from agent.errors import SettingsError
from agent.home import home
from agent.session import Measurer
from agent.unmeasured import NotMeasured, UnmeasuredBook, why
from agent.windows.choose import open_measurer
from agent.windows.client import DaemonSession

RETRY_AFTER_S: Final = 5.0
"""How long after trouble with opening nothing is opened: work must not wait for it each time."""

_log = logging.getLogger(__name__)


class _Present:
    """What is open in this process. Its lock, and all of it, is made anew after a fork."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.measurer: Measurer | None = None
        self.not_before_s = 0.0
        self.told = False
        self.book: UnmeasuredBook | None = None
        self.strict = False


_present = _Present()


def default_session() -> Measurer:
    """Return what measures this process: the daemon, a session opened from the settings, or, in trouble, a NotMeasured.

    It is opened at the first call, or some seconds after trouble, and closed when the process ends. Raises
    SettingsError where the agent is not set up; with ``strict`` whatever keeps it from being opened.
    """
    present = _present
    with present.lock:
        blind = isinstance(present.measurer, NotMeasured) and time.monotonic() >= present.not_before_s
        if present.measurer is None or blind:
            present.measurer = _open(present)
        return present.measurer


def is_default(measurer: Measurer | None) -> bool:
    """Return whether ``measurer`` is what default_session gives."""
    return measurer is not None and measurer is _present.measurer


def is_strict() -> bool:
    """Return whether work that cannot be measured is not to begin."""
    return _present.strict


def note_unmeasured(reason: str) -> None:
    """Count a piece of this process's work that nothing measured; ``green-agent status`` shows it."""
    if _present.book is not None:
        _present.book.note(reason)


def _open(present: _Present) -> Measurer:
    settings, place = load(os.environ), home(os.environ)
    present.strict = settings.strict
    try:
        measurer = open_measurer(settings, place, os.environ, background=settings.submit)
    except SettingsError:
        raise
    except Exception as error:
        if settings.strict:
            raise
        measurer = NotMeasured(why(error), SystemClock())
        present.not_before_s = time.monotonic() + RETRY_AFTER_S
        if not present.told:
            _log.warning("work runs and is NOT MEASURED (told once)", extra={"reason": measurer.reason})
        present.told = True
    else:
        if measurer.simulated:
            _log.warning("no GPU is measured: the figures are SIMULATED, and every record says so")
        atexit.register(measurer.close, send_within_s=settings.run_submit_s)
    if present.book is None:
        present.book = UnmeasuredBook(place.unmeasured_file, SystemClock())
        atexit.register(present.book.flush)
    return measurer


def _after_fork() -> None:
    # Threads and locks do not survive a fork; a child that measures opens a session of its own.
    global _present  # noqa: PLW0603 - what is open in the process, as logging has one root
    if isinstance(_present.measurer, DaemonSession):
        _present.measurer.forget()
    _present = _Present()


os.register_at_fork(after_in_child=_after_fork)
