"""A daemon that is late, stopped or full: what is to be measured runs all the same, and what comes of it is told."""

import json
import os
import signal
import socket
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from agent.api import measure
from agent.errors import DaemonError, SettingsError, UnmeasuredError, WorkNotTakenError
from agent.windows.client import DaemonSession
from tests.agent.windows.serving import SOCKET, serving
from tests.agent.windows.test_daemon import Node
from tests.fakes.agent import HandClock
from tests.fakes.agent_programs import AgentHome
from tests.fakes.agent_windows import window_issuer
from tests.fakes.eventually import eventually

LATE_S = 0.4
STATUS = {"pid": 1, "key_kind": "software", "measuring": True, "running": 0, "simulated": True, "problem": ""}
RESULT = {
    "energy_mj": 5,
    "estimated_mj": 0,
    "duration_us": 1000,
    "end_us": 1_795_204_800_000_000,
    "method": "counter",
    "simulated": True,
    "devices": ["GPU-0"],
    "flags": [],
    "records": ["job"],
}


@contextmanager
def late_daemon(path):
    """Serve at ``path`` like a daemon whose machine is busy: the first answer of a connection is late."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            # Who did not wait has gone.
            with suppress(OSError), peer, peer.makefile("rb") as lines:
                time.sleep(LATE_S)
                for line in lines:
                    asked = json.loads(line)
                    more = {"status": {"status": STATUS}, "stop": {"result": RESULT}}.get(asked["op"], {})
                    peer.sendall(json.dumps({"n": asked["n"], "ok": True, **more}).encode() + b"\n")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        # accept() returns in no other way.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def test_run_waits_a_moment_for_a_late_daemon_and_a_block_does_not(tmp_path):
    home = AgentHome(tmp_path / "home")
    with late_daemon(tmp_path / "s"):
        asked = {"GREEN_AGENT_SOCKET": str(tmp_path / "s"), "GREEN_AGENT_MODE": "daemon"}
        ran = home.run("run", "--inference-id", "job", "--", "true", **asked, GREEN_AGENT_RUN_DAEMON_WAIT_S="20")
        begun_s = time.monotonic()
        with pytest.raises(DaemonError):
            DaemonSession(tmp_path / "s", HandClock())
        waited_s = time.monotonic() - begun_s

    assert ran.returncode == 0
    assert "job: in the daemon's window" in ran.stderr
    assert waited_s < LATE_S


def test_a_daemon_that_is_stopped_keeps_no_command_from_running_and_is_told_once(tmp_path):
    with window_issuer() as issuer:
        node = Node(tmp_path / "home", issuer).start().measuring()
        try:
            os.kill(node.process.pid, signal.SIGSTOP)
            state = Path(f"/proc/{node.process.pid}/stat")
            assert eventually(lambda: state.read_text().rpartition(")")[2].split()[0] == "T")
            mark = tmp_path / "ran"
            ran = node.home.run("run", "--", "touch", str(mark), GREEN_AGENT_WINDOW_SIGNER="tpm")
        finally:
            os.kill(node.process.pid, signal.SIGCONT)
        status = node.home.run("status")
        node.end()

    assert (ran.returncode, mark.exists()) == (0, True)
    assert "the daemon alone measures (its TPM signs windows)" in ran.stderr
    assert "measures itself" not in ran.stderr
    assert status.returncode == 1
    assert "1 piece of work was not measured" in status.stdout


def test_a_daemon_with_no_more_places_keeps_no_work_from_running(tmp_path):
    with serving(tmp_path, max_running=1):
        session = DaemonSession(tmp_path / SOCKET, HandClock(), wait_s=5)
        outer = session.start("m", "outer")
        with pytest.raises(WorkNotTakenError, match="at once"):
            session.start("m", "refused")
        with measure("m", session=session) as measured:
            worked = True
        assert worked
        assert isinstance(measured.problem, UnmeasuredError)
        assert "end some before more are started" in measured.problem.detail
        with pytest.raises(SettingsError), measure("m", inference_id="outer", session=session):
            pass
        session.discard(outer)
        session.close()
