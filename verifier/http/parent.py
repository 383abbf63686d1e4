"""A process that ends with the one that started it, also where that one was killed and could say nothing."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def end_with_parent(parent_pid: int) -> None:
    """Let the kernel kill this process when its parent, ``parent_pid``, is gone (prctl(2), PR_SET_PDEATHSIG).

    Killed, not asked: who would wait for the last requests, or end them, is gone. Linux alone has this; elsewhere
    nothing happens. Raises OSError.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        # It was gone already, and no signal will come.
        os.kill(os.getpid(), signal.SIGKILL)
