"""Where the daemon listens."""

from __future__ import annotations

from pathlib import Path

from agent.config import Settings
from agent.home import Home


def socket_path(settings: Settings, home: Home) -> Path:
    """Return the path of the daemon's socket."""
    return Path(settings.socket) if settings.socket else home.socket
