"""The parties of the whole way, each a process of its own: issuer, node with a TPM, workloads; and who kills them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.clock import SystemClock
from agent.errors import DaemonError
from agent.windows.client import ask_status
from agent.windows.spool import WindowSpool
from tests.fakes.agent_programs import GREEN_AGENT
from tests.fakes.eventually import eventually
from tests.fakes.issuer_server import Server
from tests.vectors import ROOT
from tests.whole_way.witness import Witness

NODE_ID = "node-77"
OWN, OTHER = "acme", "umbra"
"""The node's tenant, and one that it may work for besides."""

_LOST = "an open window was LOST"
_START_S = 60.0


class Issuer:
    """green-issuer in a folder, with two tenants and a store of roots that holds an emulator's maker."""

    def __init__(self, folder: Path, maker: Path, **settings: str) -> None:
        folder.mkdir(parents=True)
        self.server = Server(folder, key_rate_per_minute="1000000", **settings)
        self.server.run("init", "--public-url", self.server.url, "--development")
        for tenant in (OWN, OTHER):
            self.server.run("tenants", "add", tenant, "--name", tenant.title())
        self.server.run("trust", "tpm", "add", str(maker / "swtpm-localca-rootca-cert.pem"), "--emulated")
        self.server.run("trust", "tpm", "import", str(maker / "issuercert.pem"))
        self.server.start()

    @property
    def url(self) -> str:
        """Where it is reached."""
        return self.server.url

    def invite(self) -> str:
        """Return a token for the node."""
        answer = self.server.run("nodes", "invite", NODE_ID, "--tenant", OWN, "--region", "DEU", "--tdp-w", "700")
        return str(answer["token"])

    def allow(self) -> None:
        """Let the node work for the other tenant too."""
        self.server.run("nodes", "tenants", "allow", NODE_ID, OTHER)

    def api_key(self) -> str:
        """Return an API key that reads everybody's."""
        return str(self.server.run("api-keys", "add", "--all-tenants", "--scope", "read")["key"])

    def kill(self) -> None:
        """Kill -9 all its processes: the first one alone would leave its worker behind, which goes on serving."""
        first = self.server.process
        if first is None or first.poll() is not None:
            return
        workers = [
            Path(f"/proc/{worker}")
            for task in Path(f"/proc/{first.pid}/task").iterdir()
            for worker in (task / "children").read_text().split()
        ]
        first.kill()
        for worker in workers:
            os.kill(int(worker.name), signal.SIGKILL)
        first.wait()
        assert eventually(lambda: not any(map(_lives, workers)))

    def start(self) -> None:
        """Start it again."""
        begun = self._starts()
        self.server.start()
        assert eventually(lambda: self._starts() == begun + 1), self.server.log()

    def _starts(self) -> int:
        return self.server.log().count('"issuer started"')


@dataclass
class Node:
    """A node whose windows the TPM at ``tpm`` signs: its home, its daemon, and what the daemon said on standard error."""

    folder: Path
    tpm: str
    window_s: float
    process: subprocess.Popen[bytes] | None = None
    kills: int = 0

    @property
    def socket(self) -> Path:
        """Where workloads find the daemon."""
        return self.folder / "daemon.sock"

    @property
    def pending(self) -> Path:
        """Where windows wait."""
        return self.folder / "windows" / "pending"

    def environment(self) -> dict[str, str]:
        """Return the variables of its processes."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GREEN_")}
        own = {"HOME": str(self.folder), "WINDOW_S": str(self.window_s), "RUN_SUBMIT_S": "60"}
        return kept | {"PYTHONPATH": str(ROOT)} | {f"GREEN_AGENT_{name}": value for name, value in own.items()}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the agent to its end."""
        return subprocess.run(
            [*GREEN_AGENT, *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def enrol(self, url: str, token: str) -> subprocess.CompletedProcess[str]:
        """Enrol with the TPM, and the simulator as the meter."""
        return self.run(
            "enroll", "--issuer", url, "--development", "--token", token, "--key", self.tpm, "--meter", "simulator"
        )

    def start(self) -> None:
        """Start the daemon."""
        with (self.folder / "said").open("ab") as said:
            self.process = subprocess.Popen(
                [*GREEN_AGENT, "daemon"], env=self.environment(), stdout=subprocess.DEVNULL, stderr=said
            )

    def wait_until_measuring(self) -> None:
        """Return once the daemon measures."""

        def measures() -> bool:
            try:
                return ask_status(self.socket, wait_s=5).measuring
            except DaemonError:
                assert self._running.poll() is None, self.said()
                return False

        assert eventually(measures, _START_S), self.said()

    def kill(self) -> None:
        """Kill -9."""
        self._running.kill()
        self._running.wait()
        self.kills += 1

    def end_at_once(self) -> None:
        """Leave nothing behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def end(self) -> None:
        """Let it close its last window and send what waits."""
        self._running.send_signal(signal.SIGTERM)
        assert self._running.wait(150) == 0, self.said()

    def said(self) -> str:
        """Return the log of all its daemons."""
        return (self.folder / "said").read_text()

    @property
    def told_losses(self) -> int:
        """How many open windows its daemons said to have lost."""
        return self.said().count(_LOST)

    def spooled(self) -> tuple[list[str], list[str]]:
        """Return the names of the windows that wait, and of those that were refused or set aside."""
        spool = WindowSpool(self.folder / "windows", SystemClock())
        try:
            return spool.pending(), spool.rejected()
        finally:
            spool.close()

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None
        return self.process


@dataclass
class Workloads:
    """Two workloads, one for each tenant, and what they were told of each work."""

    node: Node
    works_per_s: float
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Start them; they find the daemon whenever it is there."""
        for name, tenant in (("w1", ()), ("w2", (OTHER,))):
            arguments = [str(self.node.socket), str(self._log(name)), name, str(self.works_per_s / 2), *tenant]
            command = [sys.executable, "-m", "tests.whole_way.workload", *arguments]
            with (self.node.folder / "workloads-said").open("ab") as said:
                process = subprocess.Popen(command, env=self.node.environment(), cwd=ROOT, stderr=said)
            self.processes.append(process)

    def end(self) -> None:
        """End them after the work that runs."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            assert process.wait(60) == 0
        self.processes.clear()

    def kill(self) -> None:
        """Leave none behind."""
        for process in self.processes:
            process.kill()
            process.wait()

    def told(self) -> dict[str, dict[str, Any]]:
        """Return what they were told, by inference id."""
        lines = b"".join(self._log(name).read_bytes() for name in ("w1", "w2")).splitlines()
        return {line["id"]: line for line in map(json.loads, lines)}

    def count(self) -> int:
        """Return how many works have ended so far."""
        return sum(self._log(name).read_bytes().count(b"\n") for name in ("w1", "w2") if self._log(name).exists())

    def _log(self, name: str) -> Path:
        return self.node.folder.parent / f"{name}.log"


def _lives(process: Path) -> bool:
    """Return whether a process runs: it is there, and not dead and waited for by nobody."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Killer:
    """Kills the daemon, spread over a number of windows: at any moment, or in the moments after a window reached the disk.

    The latter, every second time, are those in which a window is put into the register, quoted, sent and answered;
    a random moment would rarely fall into them. Every fourth time the daemon is killed again while it starts.
    """

    def __init__(self, node: Node, witness: Witness, randomness: random.Random) -> None:
        self._node = node
        self._witness = witness
        self._randomness = randomness

    def strike(self, number: int, after_windows: int) -> None:
        """Kill the daemon for the ``number``-th time, once ``after_windows`` windows were there, and start it again."""
        node, randomness = self._node, self._randomness
        if number % 4 == 3:
            time.sleep(randomness.uniform(0, 1.5))
        else:
            node.wait_until_measuring()
            assert self._witness.wait_for(after_windows, 60 + 20 * node.window_s * after_windows), node.said()
            if number % 2:
                assert self._witness.wait_for(len(self._witness.names) + 1, 60 + 20 * node.window_s), node.said()
                time.sleep(randomness.uniform(0, 0.02))
            else:
                time.sleep(randomness.uniform(0, node.window_s))
        node.kill()
        node.start()
