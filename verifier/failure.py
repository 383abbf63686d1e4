"""How a command ends that failed by our own fault: never with an exit code that means something else."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping
from typing import Final

INTERNAL: Final = 70
"""Exit code of a fault in the program itself (EX_SOFTWARE of sysexits.h)."""
INTERRUPTED: Final = 130
"""Exit code after Ctrl-C: 128 and the number of the signal, as shells have it."""
DEBUG: Final = "GREEN_DEBUG"
"""The variable that, set to anything but 0 or nothing, makes a failed command show its traceback."""


def failed(program: str, error: Exception, *, debug: bool = False, environment: Mapping[str, str] = os.environ) -> int:
    """Say on standard error that ``program`` failed, with a traceback where that is asked for; return the exit code."""
    if debug or environment.get(DEBUG, "") not in {"", "0"}:
        traceback.print_exception(error)
    sys.stderr.write(
        f"{program}: internal error ({type(error).__name__}): this is a fault of the program and says nothing about "
        f"your input. Please report it with what the same command shows with {DEBUG}=1.\n"
    )
    return INTERNAL
