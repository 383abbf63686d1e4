"""The commands of docs/tpm-walkthrough.md, run as they stand there, and what the page says that they print."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fakes.ports import free_port
from tests.fakes.swtpm import missing
from tests.vectors import ROOT

PAGE = (ROOT / "docs" / "tpm-walkthrough.md").read_text("utf-8")
BLOCKS = re.findall(r"<!-- run -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
PRINTED = [line for block in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]

pytestmark = pytest.mark.timeout(240)


def gone(pid_file: Path) -> None:
    """End the emulator, which has left the shell's group."""
    with suppress(OSError, ValueError):
        os.kill(int(pid_file.read_text()), signal.SIGTERM)


@pytest.fixture(scope="module")
def port() -> str:
    return str(free_port())


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory, port: str) -> str:
    """What the page's commands print, with another port than 8080; the folder is as after `make install`."""
    if not (Path(sys.prefix) / "bin" / "green-issuer").exists():
        pytest.skip("the console scripts are not installed: make install")
    if reason := missing() or (None if shutil.which("curl") else "curl is not installed"):
        pytest.skip(reason)
    place = tmp_path_factory.mktemp("walk")
    (place / ".venv").symlink_to(sys.prefix)
    script = "set -e\n" + "".join(BLOCKS).replace("8080", port)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GREEN_")}
    shell = subprocess.Popen(
        ["bash", "-c", script],
        cwd=place,
        env=kept | {"COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = shell.communicate(timeout=200)
    finally:
        # A failure half-way must not leave issuer, daemon or TPM running.
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGTERM)
        gone(place / "walk" / "tpm" / "pid")
    assert shell.returncode == 0, output[-6000:]
    return output


@pytest.mark.parametrize("line", PRINTED)
def test_the_page_says_what_its_commands_print(walk: str, port: str, line: str) -> None:
    parts = [r"\s+".join(map(re.escape, part.split())) for part in line.replace("8080", port).split("…")]
    assert re.search(r"[^\n]*?".join(parts), walk), line


def test_receipt_credential_and_bundle_verify(walk: str) -> None:
    assert len(re.findall(r"^✓ VERIFIED", walk, re.MULTILINE)) == 4


def test_every_block_with_a_command_is_run() -> None:
    assert len(BLOCKS) == PAGE.count("```sh\n") > 0
