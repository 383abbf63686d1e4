"""Real agents in real processes: a home that is enrolled, and ``green-agent`` run in it, with a terminal or without."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from did.signers import generate_file_key
from tests.vectors import ROOT

GREEN_AGENT = (sys.executable, "-c", "import sys; from agent.cli import main; sys.exit(main())")

# Makes the terminal named by its first argument its own, then becomes the program that follows.
_IN_TERMINAL = (
    "import os, sys; d = os.open(sys.argv[1], os.O_RDWR); [os.dup2(d, n) for n in (0, 1, 2)]; "
    "os.execv(sys.argv[2], sys.argv[2:])"
)


@dataclass
class AgentHome:
    """A home with a key, settings for an issuer, and the simulator as its meter."""

    folder: Path
    issuer: str = "http://127.0.0.1:9"

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        generate_file_key(self.folder / "node.pem", "ES256")
        lines = [f'issuer = "{self.issuer}"', 'node_id = "node-7"', "development = true", 'meter = "simulator"']
        (self.folder / "agent.toml").write_text("\n".join(lines) + "\n")

    def environment(self, **changes: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GREEN_AGENT_")}
        return kept | {"GREEN_AGENT_HOME": str(self.folder), "PYTHONPATH": str(ROOT)} | changes

    def start(self, *arguments: str, **options: object) -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            [*GREEN_AGENT, *arguments],
            env=self.environment(),
            text=True,
            **{**pipes, **options},  # type: ignore[arg-type]
        )

    def run(self, *arguments: str, stdin: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*GREEN_AGENT, *arguments],
            env=self.environment(**changes),
            capture_output=True,
            text=True,
            input=stdin,
            timeout=60,
            check=False,
        )

    def records(self) -> list[dict[str, object]]:
        pending = self.folder / "spool" / "pending"
        return [json.loads(path.read_bytes()) for path in sorted(pending.iterdir())] if pending.is_dir() else []


class OnTerminal:
    """``green-agent`` as the leader of a session with a terminal of its own, and what the terminal shows."""

    def __init__(self, home: AgentHome, *arguments: str, command: Sequence[str] = GREEN_AGENT) -> None:
        # Held open here too: a terminal that nobody has open yet, or any more, cannot be read from.
        self.keyboard, self._screen = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _IN_TERMINAL, os.ttyname(self._screen), *command, *arguments],
            env=home.environment(),
            start_new_session=True,
        )

    def type(self, text: str) -> None:
        os.write(self.keyboard, text.encode())

    def show_until(self, text: str, within_s: float = 20.0) -> str:
        """Read the screen until ``text`` stands on it."""
        until_s = time.monotonic() + within_s
        while text not in self.shown:
            ready, _, _ = select.select([self.keyboard], [], [], max(0.0, until_s - time.monotonic()))
            if not ready:
                raise AssertionError(f"{text!r} was not shown, but {self.shown!r}")
            self.shown += os.read(self.keyboard, 4096).decode()
        return self.shown

    def wait_until_stopped(self, within_s: float = 20.0) -> bool:
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s:
            pid, status = os.waitpid(self.process.pid, os.WUNTRACED | os.WNOHANG)
            if pid:
                return os.WIFSTOPPED(status)
            time.sleep(0.01)
        return False

    def resume(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def wait(self) -> int:
        return self.process.wait(timeout=30)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.keyboard)
        os.close(self._screen)


def python(code: str) -> Sequence[str]:
    """Return a command that runs ``code``."""
    return (sys.executable, "-c", code)
