"""Where the daemon listens."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from agent.config import Settings
from agent.errors import SettingsError
from agent.home import Home
from agent.windows.protocol import MAX_SOCKET_PATH_BYTES


def socket_path(settings: Settings, home: Home) -> Path:
    """Return the path of the daemon's socket."""
    return Path(settings.socket) if settings.socket else home.socket


def listen(path: Path, group: str) -> socket.socket:
    """Return a socket that listens at ``path``, for the agent's user alone, or a ``group`` besides. Raises SettingsError."""
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise SettingsError(f"socket: {path} has more than {MAX_SOCKET_PATH_BYTES} bytes; set socket to a shorter path")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    # Made under another name, so that it is never there with too wide a mode.
    part = path.with_name(f".{os.getpid()}")
    try:
        part.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            listener.bind(os.fspath(part))
        finally:
            os.umask(before)
        if group:
            shutil.chown(part, group=group)
            part.chmod(0o660)
        listener.listen(64)
        part.replace(path)
    except (OSError, LookupError) as error:
        listener.close()
        part.unlink(missing_ok=True)
        raise SettingsError(f"socket: {path} cannot be used: {error}") from error
    return listener
