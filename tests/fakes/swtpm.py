"""A real TPM 2.0 emulator for tests: swtpm in a folder of its own, with EK certificates of a private CA.

Making one (swtpm_setup) takes seconds, so it is made once, and each test starts swtpm on a copy of its state. A shell
watches over the emulator: when the test process ends, however it ends, the pipe closes and the emulator stops.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

_PROGRAMS = ("swtpm", "swtpm_setup", "swtpm_localca")
_START_TIMEOUT_S = 20.0
_STATE = "tpm2-00.permall"
_SHUTDOWN_STATE = bytes.fromhex("80010000000c000001450001")
_WATCH = '"$0" "$@" & tpm=$!; read -r _; kill $tpm 2>/dev/null; wait $tpm'


class SwtpmUnavailableError(Exception):
    """swtpm cannot run here; the message says why."""


def missing() -> str | None:
    """Return why swtpm cannot run here, None where it can."""
    absent = [name for name in _PROGRAMS if shutil.which(name) is None]
    return f"{', '.join(absent)} is not installed (apt install swtpm swtpm-tools)" if absent else None


def manufacture(folder: Path, *, banks: str = "sha256", ek_certificates: bool = True) -> Path:
    """Make a TPM's state with EKs, and their certificates from a CA of its own; return the folder of the state.

    The CA's certificates lie in ``folder / "ca"``. Raises SwtpmUnavailableError.
    """
    if reason := missing():
        raise SwtpmUnavailableError(reason)
    state, ca = folder / "state", folder / "ca"
    state.mkdir(parents=True)
    ca.mkdir()
    localca, options, setup = folder / "localca.conf", folder / "localca.options", folder / "setup.conf"
    localca.write_text(
        f"statedir = {ca}\nsigningkey = {ca}/signkey.pem\nissuercert = {ca}/issuercert.pem\ncertserial = {ca}/serial\n"
    )
    options.write_text("--platform-manufacturer Test\n--platform-version 1.0\n--platform-model Test\n")
    setup.write_text(
        f"create_certs_tool = {shutil.which('swtpm_localca')}\n"
        f"create_certs_tool_config = {localca}\ncreate_certs_tool_options = {options}\n"
    )
    command = ["swtpm_setup", "--tpm2", "--tpm-state", f"dir://{state}", "--pcr-banks", banks, "--config", str(setup)]
    # As root it would change to the user tss, who cannot enter our folder.
    command += ["--runas", "root"] if os.geteuid() == 0 else []
    command += ["--create-ek-cert", "--lock-nvram"] if ek_certificates else []
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode != 0:
        raise SwtpmUnavailableError(f"swtpm_setup: {(done.stdout + done.stderr).strip()[-800:]}")
    return state


class Swtpm:
    """A running emulator on a copy of a state; ``socket`` is its data socket."""

    def __init__(self, state: Path) -> None:
        """Copy the state and start. Raises SwtpmUnavailableError."""
        # Not pytest's folder: a unix socket's path has at most 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="green-tpm-"))
        self.state = self._folder / "state"
        self.socket = self._folder / "tpm"
        # Where tpm2-tools look for it.
        self.control = self._folder / "tpm.ctrl"
        shutil.copytree(state, self.state)
        self._watcher: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def uri(self) -> str:
        """Its address for the agent."""
        return f"tpm:unix:{self.socket}"

    @property
    def tcti(self) -> str:
        """Its address for tpm2-tools."""
        return f"swtpm:path={self.socket}"

    def start(self, *flags: str, port: int | None = None) -> None:
        """Start it, as a machine that is switched on; on a TCP port where one is given.

        Raises SwtpmUnavailableError.
        """
        for path in (self.socket, self.control, self._pid_file):
            path.unlink(missing_ok=True)
        command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.state}", "--pid", f"file={self._pid_file}"]
        server = f"type=unixio,path={self.socket}" if port is None else f"type=tcp,port={port},bindaddr=127.0.0.1"
        command += ["--server", server, "--ctrl", f"type=unixio,path={self.control}"]
        command += ["--flags", ",".join(["not-need-init", *(flags or ("startup-clear",))])]
        with (self._folder / "log").open("wb") as log:
            self._watcher = subprocess.Popen(
                ["/bin/sh", "-c", _WATCH, *command], stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        ready = (self.control, self._pid_file) if port else (self.socket, self.control, self._pid_file)
        while not (all(path.exists() for path in ready) and self._pid_file.read_text().strip()):
            if time.monotonic() > deadline:
                raise SwtpmUnavailableError((self._folder / "log").read_text(errors="replace")[-500:])
            time.sleep(0.01)

    def kill(self) -> None:
        """End it as a power cut does (SIGKILL): nothing is saved that was not."""
        os.kill(int(self._pid_file.read_text()), signal.SIGKILL)
        self._join()

    def terminate(self) -> None:
        """End it as ``kill`` without -9 does (SIGTERM)."""
        os.kill(int(self._pid_file.read_text()), signal.SIGTERM)
        self._join()

    def freeze(self) -> None:
        """Let it hang: it takes commands and answers none, until ``thaw``."""
        os.kill(int(self._pid_file.read_text()), signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(int(self._pid_file.read_text()), signal.SIGCONT)

    def restart(self) -> None:
        """Cut its power and switch it on again: PCRs are reset, keys in its memory gone."""
        self.kill()
        self.start()

    def sleep(self) -> None:
        """Let the machine sleep and wake: TPM2_Shutdown(STATE), power off and on, and the state is back (TPM Resume)."""
        with socket.socket(socket.AF_UNIX) as opened:
            opened.connect(str(self.socket))
            opened.sendall(_SHUTDOWN_STATE)
            assert opened.recv(64)[6:10] == bytes(4), "TPM2_Shutdown was refused"
        self.kill()
        self.start("startup-state")

    def snapshot(self) -> dict[str, bytes]:
        """Return its permanent state, as the snapshot of a virtual machine holds it."""
        return {path.name: path.read_bytes() for path in self.state.iterdir() if path.is_file()}

    def restore(self, snapshot: dict[str, bytes]) -> None:
        """Cut its power, put an earlier state in place, and switch it on."""
        self.kill()
        for path in self.state.iterdir():
            path.unlink()
        for name, content in snapshot.items():
            (self.state / name).write_bytes(content)
        self.start()

    def stop(self) -> None:
        """Stop it and remove its folder."""
        if self._watcher is not None:
            self.thaw()
            self._join()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _pid_file(self) -> Path:
        return self._folder / "pid"

    def _join(self) -> None:
        if self._watcher is not None:
            self._watcher.communicate(b"\n", timeout=_START_TIMEOUT_S)
            self._watcher = None
