"""A command run as a shell would: its own process group, signals passed on, stopped and continued together."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Final, Self

from agent.terminal import Terminal

FORWARDED: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGTSTP,
    signal.SIGCONT,
)
_ENDING: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
_WANTS_TERMINAL: Final = frozenset({signal.SIGTTIN, signal.SIGTTOU})
_LOOK_S: Final = 0.02
_NOT_FOUND, _NOT_EXECUTABLE, _BY_SIGNAL = 127, 126, 128


@dataclass(frozen=True, slots=True)
class Exit:
    """How a command ended: its exit code, or the signal that killed it."""

    code: int
    signal: int | None = None


class Signals:
    """While entered, signals that come to this process go to the command's group; before and after, they wait.

    Signals that this process was started to ignore (nohup) stay ignored. Only the main thread may enter.
    """

    def __init__(self) -> None:
        """Forward to nobody yet."""
        self.asked_to_end = threading.Event()
        self._group: int | None = None
        self._waiting: list[int] = []
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        """Catch the signals."""
        # Where SIGCHLD is ignored the kernel throws exit codes away (POSIX wait), and the command's is ours to keep.
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in FORWARDED:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._on)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put everything back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave us
        self._before.clear()

    def forward_to(self, group: int | None) -> None:
        """Forward to ``group`` from now on, first what has waited; None: to nobody."""
        self._group = group
        if group is not None:
            waiting, self._waiting = self._waiting, []
            for number in waiting:
                self._on(number, None)

    def _on(self, number: int, _frame: FrameType | None) -> None:
        if number in _ENDING:
            self.asked_to_end.set()
        if self._group is None:
            self._waiting.append(number)
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._group, number)


def run_child(command: Sequence[str], signals: Signals, terminal: Terminal) -> Exit:
    """Run ``command`` to its end and return how it ended.

    Standard input, output, error and inherited descriptors are its own. It gets the terminal, if both its input and
    output are one, or once it asks for it. Stopped (Ctrl-Z), it stops this process too, so that the shell sees it.
    Raises OSError where it cannot be started.
    """
    signals.asked_to_end.clear()
    child = subprocess.Popen(command, process_group=0, close_fds=False)  # noqa: S603 - running it is what we are for
    if os.isatty(0) and os.isatty(1):
        terminal.give(child.pid)
        # It may have asked for the terminal before it had it, and been stopped for that.
        _signal_group(child.pid, signal.SIGCONT)
    signals.forward_to(child.pid)
    try:
        return _wait(child, terminal)
    finally:
        signals.forward_to(None)
        signals.asked_to_end.clear()
        terminal.take_back(child.pid)


def cannot_start(error: OSError) -> int:
    """Return the exit code of a command that could not be started: 127 not found, 126 not executable (POSIX sh)."""
    return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE


def exit_like(ended: Exit) -> int:
    """End as the command did: by the same signal (without a second core dump), or return its exit code.

    Where the signal does not end this process (as process 1 of a container), return 128 + its number.
    """
    if ended.signal is None:
        return ended.code
    sys.stdout.flush()
    sys.stderr.flush()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ended.signal not in {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(ended.signal, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {ended.signal})
    os.kill(os.getpid(), ended.signal)
    return _BY_SIGNAL + ended.signal


def _wait(child: subprocess.Popen[bytes], terminal: Terminal) -> Exit:
    while True:
        pid, status = os.waitpid(child.pid, os.WUNTRACED | os.WNOHANG)
        if pid == 0:
            # Blocking in waitpid would hold back a signal that comes just before it begins, until the command ends.
            time.sleep(_LOOK_S)
            continue
        if os.WIFSTOPPED(status):
            _stopped(child.pid, os.WSTOPSIG(status), terminal)
            continue
        # Popen is told, or it would look for a child that is gone.
        child.returncode = os.waitstatus_to_exitcode(status)
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        return Exit(_BY_SIGNAL + number if number else child.returncode, number)


def _stopped(group: int, number: int, terminal: Terminal) -> None:
    if not terminal.present:
        return  # whoever stopped it without a terminal continues it the same way
    if number in _WANTS_TERMINAL and terminal.give(group):
        _signal_group(group, signal.SIGCONT)
        return
    held = terminal.take_back(group)
    os.kill(os.getpid(), signal.SIGSTOP)
    if held:
        terminal.give(group)
    _signal_group(group, signal.SIGCONT)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
