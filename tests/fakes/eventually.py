"""Waiting for what another thread or process does, with an end."""

import time
from collections.abc import Callable


def eventually(condition: Callable[[], bool], within_s: float = 10.0) -> bool:
    """Return whether ``condition`` came true in time."""
    until_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > until_s:
            return False
        time.sleep(0.005)
    return True
