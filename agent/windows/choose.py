"""Who measures this process's work: the daemon, or the process itself."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from agent.clock import SystemClock
from agent.config import Settings, check_enrolled
from agent.errors import DaemonError
from agent.home import Home
from agent.session import Measurer, open_session
from agent.windows.client import DaemonSession
from agent.windows.server_address import socket_path

_log = logging.getLogger(__name__)


def open_measurer(settings: Settings, home: Home, environment: Mapping[str, str], *, background: bool) -> Measurer:
    """Return the daemon's connection or a session, as ``mode`` says; it is decided once a process.

    Raises SettingsError where the node is not enrolled or a setting cannot be used; DaemonError where none answers and
    ``mode`` is daemon, or a TPM signs, so that nobody else can measure; and what open_session raises.
    """
    check_enrolled(settings)
    path = socket_path(settings, home)
    if settings.mode == "direct":
        return open_session(settings, home, environment, background=background)
    alone = settings.mode == "auto" and bool(settings.key)
    # A socket that is not there is asked for no answer: nothing runs, and there is nothing to say but that.
    if path.is_socket() or not alone:
        try:
            return DaemonSession(path, SystemClock(), wait_s=settings.daemon_wait_s)
        except DaemonError as error:
            if not alone:
                raise _nobody_else(settings, error) from error
            _log.warning("the daemon does not answer; this process measures itself", extra={"reason": error.detail})
    session = open_session(settings, home, environment, background=background)
    session.stands_in = True
    return session


def _nobody_else(settings: Settings, error: DaemonError) -> DaemonError:
    whose = "its TPM signs windows" if not settings.key else 'mode is "daemon"'
    return DaemonError(f"{error.detail}; on this node the daemon alone measures ({whose}): green-agent daemon")
