"""Who watches the spool's folder from outside: every window that was ever durable in it, by the kernel's word."""

from __future__ import annotations

import ctypes
import os
import struct
import threading
from pathlib import Path

_MOVED_TO = 0x80
_HEAD = struct.Struct("iIII")
_SUFFIX = ".window.json"


class Witness:
    """Sees each window that is renamed into ``pending/`` (inotify(7)): its name holds its number and its digest."""

    def __init__(self, pending: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_CLOEXEC)
        if libc.inotify_add_watch(self._descriptor, os.fsencode(pending), _MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch", str(pending))
        self._seen: list[str] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._read, name="witness", daemon=True).start()

    @property
    def names(self) -> list[str]:
        """The names of all windows so far, in the order in which they came."""
        with self._changed:
            return list(self._seen)

    def wait_for(self, count: int, within_s: float) -> bool:
        """Return whether there are ``count`` windows in time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._seen) >= count, within_s)

    def _read(self) -> None:
        while True:
            events = os.read(self._descriptor, 64 * 1024)
            position = 0
            while position < len(events):
                _, mask, _, length = _HEAD.unpack_from(events, position)
                begin = position + _HEAD.size
                position = begin + length
                name = events[begin:position].rstrip(b"\0").decode()
                assert mask & _MOVED_TO, "the kernel lost events"
                if name.endswith(_SUFFIX) and not name.startswith("."):
                    with self._changed:
                        self._seen.append(name)
                        self._changed.notify_all()
