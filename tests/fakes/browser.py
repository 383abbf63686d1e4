"""A headless Chromium of a test's own, of which nothing is left in the end, however the test ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fakes.ports import free_port

_MARK = "GREEN_TEST_BROWSER"
_ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_START_TIMEOUT_S = 30.0


@contextlib.contextmanager
def browsing(mark: str | None = None) -> Iterator[httpx.Client]:
    """Give a WebDriver session as a client whose URLs begin with it. Skips the test where there is no Chromium.

    Chromium puts its processes into groups and sessions of their own, and they outlive the driver that is killed. So
    all bear ``mark`` in their environment, by which they are found and ended.
    """
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("google-chrome")
    if driver is None or chromium is None:
        pytest.skip("chromium and chromedriver are not installed (Debian: chromium chromium-driver)")
    mark = mark or uuid.uuid4().hex
    port = free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [driver, f"--port={port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, _MARK: mark},
        )
        options = {"binary": chromium, "args": [*_ARGUMENTS, f"--user-data-dir={profile}"]}
        wanted = {
            "capabilities": {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}
        }
        try:
            wait_for(f"http://127.0.0.1:{port}/status")
            answer = httpx.post(f"http://127.0.0.1:{port}/session", json=wanted, timeout=60, trust_env=False)
            session = f"http://127.0.0.1:{port}/session/{answer.json()['value']['sessionId']}"
            with httpx.Client(base_url=session, timeout=60, trust_env=False) as client:
                yield client
        finally:
            end_marked(mark)
            process.wait(15)


def tree_of(mark: str) -> set[int]:
    """Return the processes that bear ``mark`` and all below them: some write over their environment."""
    parents = _parents()
    found = {pid for pid in parents if _bears(pid, mark)}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def alive(pids: set[int]) -> set[int]:
    """Return those of ``pids`` that still run."""
    return pids & _parents().keys()


def end_marked(mark: str) -> None:
    """End the processes that bear ``mark``, and all below them, those too that begin meanwhile."""
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    left = tree_of(mark)
    while left and time.monotonic() < deadline_s:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
        left = alive(left) | tree_of(mark)


def _bears(pid: int, mark: str) -> bool:
    try:
        return f"{_MARK}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _parents() -> dict[int, int]:
    """Return every running process with its parent."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # proc_pid_stat(5): the name, in parentheses, may hold anything.
            state, parent = stat.read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state not in "ZX":
                found[int(stat.parent.name)] = int(parent)
    return found


def wait_for(url: str) -> None:
    """Return when ``url`` answers; fail the test where it does not."""
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        try:
            if httpx.get(url, timeout=2, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    pytest.fail(f"{url} did not answer")
