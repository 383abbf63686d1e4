"""Whose keyboard it is: a command in a process group of its own must be given the terminal to read from it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator


class Terminal:
    """The terminal of this process, on its standard input, output or error; or none."""

    def __init__(self, descriptors: tuple[int, ...] = (0, 1, 2)) -> None:
        """Find the first descriptor that is this process's controlling terminal."""
        self._group = os.getpgrp()
        self._descriptor = next((number for number in descriptors if _is_controlling(number)), None)

    @property
    def present(self) -> bool:
        """Whether there is one."""
        return self._descriptor is not None

    def give(self, group: int) -> bool:
        """Make ``group`` the foreground, if this process's group is. Return whether it is now."""
        return self._move(self._group, group)

    def take_back(self, group: int) -> bool:
        """Make this process's group the foreground, if ``group`` is. Return whether it is now."""
        return self._move(group, self._group)

    def _move(self, holder: int, receiver: int) -> bool:
        if self._descriptor is None:
            return False
        with _unstopped(), contextlib.suppress(OSError):
            if os.tcgetpgrp(self._descriptor) == holder:
                os.tcsetpgrp(self._descriptor, receiver)
                return True
        return False


def _is_controlling(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor) and os.tcgetpgrp(descriptor) > 0
    except OSError:
        return False


@contextlib.contextmanager
def _unstopped() -> Iterator[None]:
    # A process in the background that touches the terminal's foreground is stopped by SIGTTOU, unless it is blocked.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
