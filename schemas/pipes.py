"""Ending quietly where nobody reads on: ``program … | head`` is no fault of the program's."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from typing import Final, TextIO

CLOSED: Final = 141
"""Exit code of a program whose reader went away before it was done: 128 and SIGPIPE's number, as shells have it."""


def quietly(command: Callable[[], int]) -> int:
    """Run ``command`` and return its exit code, or ``CLOSED`` where it was cut short because nobody reads it any more.

    SIGPIPE stays ignored, as Python has it: it would also end a daemon whose peer hung up.
    """
    try:
        code = command()
    except BrokenPipeError:
        if not _silenced():
            raise
        return CLOSED
    except SystemExit:
        _silenced()
        raise
    _silenced()
    return code


def _silenced() -> bool:
    """Flush what was printed; where nobody reads it, let it go, or Python would complain at its end. Return whether so."""
    # Both are looked at.
    closed = [_is_closed(stream) for stream in (sys.stdout, sys.stderr)]
    return any(closed)


def _is_closed(stream: TextIO | None) -> bool:
    try:
        descriptor = stream.fileno() if stream is not None else -1
    except (OSError, ValueError):
        # No file, as where tests capture it.
        return False
    if stream is None or descriptor < 0:
        return False
    try:
        stream.flush()
        poll = select.poll()
        poll.register(descriptor, 0)
        closed = any(event & select.POLLERR for _, event in poll.poll(0))
    except BrokenPipeError:
        closed = True
    if closed:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
    return closed
