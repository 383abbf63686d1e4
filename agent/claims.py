"""Which processes of this node measure the same device at the same time: their figures overlap, and must say so."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterable
from pathlib import Path

from agent.files import make_folder


class Claims:
    """A lock file for each device, locked (shared) while this process measures it.

    Processes see each other only where they share the agent's home. Locks end with the process, however it ends.
    """

    def __init__(self, folder: Path, devices: Iterable[str]) -> None:
        """Open the lock files of ``devices``. Raises OSError where the folder cannot be used."""
        make_folder(folder)
        names = [re.sub(r"[^A-Za-z0-9-]", "_", device) + ".lock" for device in devices]
        self._locks = [os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) for name in names]

    def take(self) -> None:
        """Claim the devices: something is measured from now on."""
        for lock in self._locks:
            fcntl.flock(lock, fcntl.LOCK_SH)

    def release(self) -> None:
        """Give the devices up: nothing is measured now."""
        for lock in self._locks:
            fcntl.flock(lock, fcntl.LOCK_UN)

    def alone(self) -> bool:
        """Return whether no other process claims any of the devices now."""
        return all(_sole(lock) for lock in self._locks)

    def close(self) -> None:
        """Close the lock files."""
        for lock in self._locks:
            os.close(lock)
        self._locks.clear()


def _sole(lock: int) -> bool:
    # Only the last holder of a shared lock can make it exclusive. A failed attempt may lose the lock (flock(2)).
    sole = False
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        sole = True
    fcntl.flock(lock, fcntl.LOCK_SH)
    return sole
