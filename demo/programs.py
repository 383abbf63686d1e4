"""Run the project's own command-line programs: once, or as a service until the demo ends."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx

START_DEADLINE_S: Final = 30.0
STOP_DEADLINE_S: Final = 10.0
_MODULES: Final = {
    "green-agent": "agent.cli",
    "green-issuer": "issuer.cli",
    "green-verifier": "verifier.cli",
    "green-wallet": "wallet.cli",
}


class StepError(Exception):
    """A step of the demo failed; the message says which and how."""


def command_of(words: Sequence[str]) -> list[str]:
    """Return the argument vector: the console script beside this interpreter, or its module."""
    script = Path(sys.executable).parent / words[0]
    start = [str(script)] if script.exists() else [sys.executable, "-m", _MODULES[words[0]]]
    return [*start, *words[1:]]


def run(words: Sequence[str], environment: Mapping[str, str], *, expect: Collection[int] = (0,)) -> str:
    """Run a program to its end and return its standard output. Raises StepError for another exit code."""
    done = subprocess.run(
        command_of(words), env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode not in expect:
        raise StepError(
            f"`{shlex.join(words)}` exited with {done.returncode}, which was not expected\n{done.stdout}{done.stderr}".rstrip()
        )
    return done.stdout


def run_json(
    words: Sequence[str], environment: Mapping[str, str], *, expect: Collection[int] = (0,)
) -> dict[str, object]:
    """Run a program with --json and return the object that it prints."""
    output = run([*words, "--json"], environment, expect=expect)
    try:
        value = json.loads(output)
    except json.JSONDecodeError as error:
        raise StepError(f"`{shlex.join(words)} --json` printed no JSON:\n{output}") from error
    if not isinstance(value, dict):
        raise StepError(f"`{shlex.join(words)} --json` printed no JSON object:\n{output}")
    return value


def require_free_port(port: int, variable: str) -> None:
    """Raise StepError where something listens on the loopback port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StepError(
                f"port {port} is in use. Choose others: make demo ISSUER_PORT=18080 VERIFIER_PORT=18090 ({variable})"
            ) from error


class Service:
    """A program that runs until it is stopped; its output goes to a log file."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """Start the program in a process group of its own, so that a Ctrl-C reaches the demo alone."""
        self._words = words
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command_of(words),
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_up(self, url: str) -> None:
        """Return when ``url`` answers 200. Raises StepError with the log's end where it never does."""
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with suppress(httpx.HTTPError):
                if httpx.get(url, timeout=2.0, trust_env=False).is_success:
                    return
            time.sleep(0.1)
        tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-25:])
        raise StepError(f"`{shlex.join(self._words)}` did not answer at {url}. Its log ({self._log}) ends:\n{tail}")

    def stop(self) -> None:
        """Ask the program to stop, and insist after ten seconds."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
