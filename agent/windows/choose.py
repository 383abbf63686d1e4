"""Who measures this process's work: the daemon, or the process itself."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from agent.clock import SystemClock
from agent.config import Settings
from agent.errors import DaemonError
from agent.home import Home
from agent.session import Measurer, open_session
from agent.windows.client import DaemonSession
from agent.windows.server_address import socket_path

_log = logging.getLogger(__name__)


def open_measurer(settings: Settings, home: Home, environment: Mapping[str, str], *, background: bool) -> Measurer:
    """Return the daemon's connection or a session, as ``mode`` says; it is decided once a process.

    Raises DaemonError where ``mode`` is daemon and none answers, and what open_session raises.
    """
    path = socket_path(settings, home)
    if settings.mode == "daemon" or (settings.mode == "auto" and path.is_socket()):
        try:
            return DaemonSession(path, SystemClock(), wait_s=settings.daemon_wait_s)
        except DaemonError as error:
            if settings.mode == "daemon":
                raise
            _log.warning("the daemon does not answer; this process measures itself", extra={"reason": error.detail})
    return open_session(settings, home, environment, background=background)
